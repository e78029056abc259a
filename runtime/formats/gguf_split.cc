// Models that are split over several files: NAME-00001-of-00003.gguf and so on. The first part has
// the metadata; every part has split.no (from 0) and split.count, and tensors of its own.

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/formats/gguf.h"

namespace quantd {
namespace {

constexpr char kNo[] = "split.no";
constexpr char kCount[] = "split.count";
constexpr char kTensorsCount[] = "split.tensors.count";
constexpr uint64_t kMaxParts = 1024;  // each is an open file

/// What the names of the parts end in; `no` counts from 0.
std::string PartSuffix(uint64_t no, uint64_t count) {
  return absl::StrFormat("-%05d-of-%05d.gguf", no + 1, count);
}

/// 0 for a file that is not split.
absl::StatusOr<uint64_t> PartCount(const GgufFile& file) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<uint64_t> count, file.OptionalUint(kCount));
  if (count.value_or(0) <= kMaxParts) return count.value_or(0);
  return file.Error(kCount, absl::StrCat(*count, " exceeds the limit of ", kMaxParts));
}

}  // namespace

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Open(const std::string& path) {
  QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<GgufFile> file, OpenPart(path));
  QUANTD_RETURN_IF_ERROR(file->OpenOtherParts());
  return file;
}

absl::Status GgufFile::OpenOtherParts() {
  QUANTD_ASSIGN_OR_RETURN(const uint64_t count, PartCount(*this));
  if (count <= 1) return absl::OkStatus();
  QUANTD_ASSIGN_OR_RETURN(const uint64_t no, Uint(kNo));
  const std::string suffix = PartSuffix(no, count);
  if (no >= count || !absl::EndsWith(path_, suffix)) {
    return Error(kNo, absl::StrCat("part ", no + 1, " of ", count,
                                   no < count ? absl::StrCat(", but its name does not end in ",
                                                             suffix, "; rename all parts so")
                                              : " does not exist"));
  }
  const std::string name = path_.substr(0, path_.size() - suffix.size());
  if (no != 0) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": ", kNo, ": this is part ", no + 1,
                                                   " of ", count, "; give the first, ", name,
                                                   PartSuffix(0, count)));
  }
  for (uint64_t i = 1; i < count; ++i) {
    QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<GgufFile> part,
                            OpenPart(absl::StrCat(name, PartSuffix(i, count))));
    QUANTD_RETURN_IF_ERROR(AddPart(std::move(part), count));
  }
  QUANTD_ASSIGN_OR_RETURN(const std::optional<uint64_t> tensors, OptionalUint(kTensorsCount));
  if (tensors.value_or(tensors_.size()) != tensors_.size()) {
    return Error(kTensorsCount, absl::StrCat(*tensors, ", but the ", count, " parts have ",
                                             tensors_.size(), " tensors"));
  }
  return absl::OkStatus();
}

absl::Status GgufFile::AddPart(std::unique_ptr<GgufFile> part, uint64_t count) {
  QUANTD_ASSIGN_OR_RETURN(const uint64_t its_count, part->Uint(kCount));
  QUANTD_ASSIGN_OR_RETURN(const uint64_t no, part->Uint(kNo));
  const uint32_t wanted = static_cast<uint32_t>(part_count());
  if (its_count != count) {
    return part->Error(kCount, absl::StrCat(its_count, ", but ", path_, " says ", count));
  }
  if (no != wanted) {
    return part->Error(kNo, absl::StrCat(no, ", but by its name it is ", wanted));
  }
  for (GgufTensor& tensor : part->tensors_) {
    if (!tensor_index_.emplace(tensor.name, tensors_.size()).second) {
      return part->Error(tensor, "an earlier part has a tensor of this name");
    }
    tensor.part = wanted;
    tensors_.push_back(std::move(tensor));
  }
  part->tensors_.clear();
  part->tensor_index_.clear();
  other_parts_.push_back(std::move(part));
  return absl::OkStatus();
}

}  // namespace quantd
