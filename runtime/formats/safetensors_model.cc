#include "runtime/formats/safetensors_model.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/formats/safetensors_index.h"

namespace quantd {
namespace {

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";
constexpr uint64_t kMaxIndexBytes = 100'000'000;

/// Weights in formats that this build does not read, by the files that betray them.
struct ForeignFormat {
  const char* file;
  const char* what;
};
constexpr ForeignFormat kForeignFormats[] = {
    {"pytorch_model.bin", "a pickle, which can run code when it is read"},
    {"pytorch_model.bin.index.json", "a list of pickles, which can run code when they are read"},
    {"consolidated.00.pth", "a pickle, which can run code when it is read"},
    {"tf_model.h5", "a TensorFlow checkpoint"},
    {"flax_model.msgpack", "a Flax checkpoint"},
};

absl::Status NoSafetensors(const ModelDirectory& directory) {
  for (const ForeignFormat& format : kForeignFormats) {
    if (!directory.Has(format.file)) continue;
    return UnsupportedError(directory.path(), format.file,
                            absl::StrCat("is ", format.what,
                                         "; convert the model to safetensors (save_pretrained "
                                         "with safe_serialization writes them)"));
  }
  return absl::NotFoundError(
      absl::StrCat(directory.path(), ": holds neither ", kSingleFile, " nor ", kIndexFile));
}

/// The file `name` of the folder. `path` and `field` name the place that mentions it.
absl::StatusOr<std::unique_ptr<SafetensorsFile>> OpenInside(const ModelDirectory& directory,
                                                            const std::string& name,
                                                            absl::string_view path,
                                                            absl::string_view field) {
  const absl::StatusOr<std::string> resolved = directory.Resolve(name);
  if (!resolved.ok()) return FileError(path, field, resolved.status().message());
  return SafetensorsFile::Open(*resolved);
}

absl::StatusOr<SafetensorsIndex> ReadIndex(const ModelDirectory& directory) {
  const absl::StatusOr<std::string> resolved = directory.Resolve(kIndexFile);
  if (!resolved.ok()) {
    return FileError(directory.path(), kIndexFile, resolved.status().message());
  }
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<MappedFile> file, MappedFile::Open(*resolved));
  const absl::Span<const uint8_t> bytes = file->bytes();
  if (bytes.size() > kMaxIndexBytes) {
    return FileError(*resolved, "size",
                     absl::StrCat(bytes.size(), " bytes exceed the limit of ", kMaxIndexBytes));
  }
  return ParseSafetensorsIndex(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), *resolved);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SafetensorsModel>> SafetensorsModel::Open(
    const ModelDirectory& directory) {
  std::unique_ptr<SafetensorsModel> model(new SafetensorsModel(directory.path()));
  if (directory.Has(kSingleFile)) {
    QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<SafetensorsFile> file,
                            OpenInside(directory, kSingleFile, directory.path(), kSingleFile));
    model->Add(std::move(file));
  } else if (directory.Has(kIndexFile)) {
    QUANTD_RETURN_IF_ERROR(model->OpenShards(directory));
  } else {
    return NoSafetensors(directory);
  }
  return model;
}

std::unique_ptr<SafetensorsModel> SafetensorsModel::OfFile(std::unique_ptr<SafetensorsFile> file) {
  std::unique_ptr<SafetensorsModel> model(new SafetensorsModel(file->path()));
  model->Add(std::move(file));
  return model;
}

void SafetensorsModel::Add(std::unique_ptr<SafetensorsFile> file) {
  for (const SafetensorsTensor& tensor : file->tensors()) {
    tensors_.push_back(&tensor);
    index_.emplace(tensor.name, &tensor);
  }
  files_.push_back(std::move(file));
}

absl::Status SafetensorsModel::OpenShards(const ModelDirectory& directory) {
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsIndex index, ReadIndex(directory));
  const std::string index_path = directory.Join(kIndexFile);
  for (const std::string& shard : index.shards) {
    QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<SafetensorsFile> file,
                            OpenInside(directory, shard, index_path, "weight_map"));
    Add(std::move(file));
  }
  // Both ways: a tensor that the index does not know would be a weight left out without a word.
  for (uint32_t shard = 0; shard < files_.size(); ++shard) {
    for (const SafetensorsTensor& tensor : files_[shard]->tensors()) {
      const auto it = index.shard_of.find(tensor.name);
      if (it == index.shard_of.end()) {
        return tensor.Error(absl::StrCat("is not listed in ", kIndexFile));
      }
      if (it->second != shard) {
        return tensor.Error(
            absl::StrCat(kIndexFile, " says that it is in ", index.shards[it->second]));
      }
    }
  }
  for (const auto& [name, shard] : index.shard_of) {
    if (files_[shard]->FindTensor(name) == nullptr) {
      return FileError(index_path, absl::StrCat("weight_map.", Printable(name)),
                       absl::StrCat(index.shards[shard], " has no such tensor"));
    }
  }
  return absl::OkStatus();
}

uint64_t SafetensorsModel::file_bytes() const {
  uint64_t bytes = 0;
  for (const auto& file : files_) bytes += file->file_bytes();
  return bytes;
}

const SafetensorsTensor* SafetensorsModel::FindTensor(absl::string_view name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : it->second;
}

absl::Status SafetensorsModel::Error(absl::string_view field, absl::string_view what) const {
  return FileError(path_, field, what);
}

}  // namespace quantd
