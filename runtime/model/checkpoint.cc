#include "runtime/model/checkpoint.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/model/gguf_checkpoint.h"
#include "runtime/model/hf_checkpoint.h"

namespace quantd {
namespace {

/// Of a folder's file that people name for the folder.
bool NamesItsFolder(absl::string_view path) {
  return absl::EndsWith(path, ".safetensors") || absl::EndsWith(path, ".safetensors.index.json");
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::StatusOr<std::unique_ptr<Checkpoint>> OpenFolder(const std::string& path) {
  QUANTD_ASSIGN_OR_RETURN(const ModelDirectory directory, ModelDirectory::Open(path));
  return HfCheckpoint::Open(directory);
}

}  // namespace

int64_t CheckpointTensor::rows() const {
  int64_t rows = 1;
  for (size_t i = 1; i < shape.size(); ++i) rows *= shape[i];
  return rows;
}

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::Open(const std::string& path) {
  struct stat info;
  const bool exists = stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) return OpenFolder(path);
  // Opening a FIFO would wait for a writer, and a device has no size.
  if (exists && !S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": not a regular file; give the path of a .gguf file or of a model's folder"));
  }
  if (exists && NamesItsFolder(path)) return OpenFolder(FolderOf(path));
  QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<GgufFile> file, GgufFile::Open(path));
  return std::make_unique<GgufCheckpoint>(std::move(file));
}

const CheckpointTensor* Checkpoint::Find(absl::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

absl::Status Checkpoint::Error(absl::string_view field, absl::string_view what) const {
  return FileError(path(), field, what);
}

absl::Status Checkpoint::Unsupported(absl::string_view field, absl::string_view what) const {
  return UnsupportedError(path(), field, what);
}

void Checkpoint::Add(CheckpointTensor tensor) {
  index_.emplace(tensor.name, tensors_.size());
  tensors_.push_back(std::move(tensor));
}

}  // namespace quantd
