#include "runtime/formats/safetensors.h"

#include "absl/strings/str_cat.h"
#include "runtime/formats/file_error.h"

namespace quantd {

int64_t SafetensorsTensor::elements() const {
  int64_t elements = 1;
  for (const int64_t extent : shape) elements *= extent;
  return elements;
}

void SafetensorsTensor::GiveBack() const {
  if (file->mapping() != nullptr) file->mapping()->GiveBack(data, bytes);
}

absl::Status SafetensorsTensor::CheckNotTruncated() const {
  if (file->mapping() == nullptr || !file->mapping()->Truncated()) return absl::OkStatus();
  return Error("the file became shorter while it was in use");
}

absl::Status SafetensorsTensor::Error(absl::string_view what) const {
  return file->Error(absl::StrCat("tensor ", Printable(name)), what);
}

const SafetensorsTensor* SafetensorsFile::FindTensor(absl::string_view name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

absl::Status SafetensorsFile::Error(absl::string_view field, absl::string_view what) const {
  return FileError(path_, field, what);
}

}  // namespace quantd
