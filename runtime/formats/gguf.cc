#include "runtime/formats/gguf.h"

#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"

namespace quantd {
namespace {

template <typename Stored, typename Wanted>
absl::StatusOr<std::vector<Wanted>> ConvertElements(const GgufFile& file, absl::string_view key,
                                                    const GgufArray& array) {
  std::vector<Wanted> values(array.count);
  for (uint64_t i = 0; i < array.count; ++i) {
    Stored stored;
    std::memcpy(&stored, array.data + i * sizeof(Stored), sizeof(Stored));
    if constexpr (std::is_integral_v<Wanted>) {
      if (!std::in_range<Wanted>(stored)) {
        return file.Error(key, absl::StrCat("element ", i, " (", stored, ") is out of range"));
      }
    } else if (std::isfinite(stored) && std::fabs(stored) > std::numeric_limits<Wanted>::max()) {
      return file.Error(key, absl::StrCat("element ", i, " (", stored, ") is out of range"));
    }
    values[i] = static_cast<Wanted>(stored);
  }
  return values;
}

absl::StatusOr<std::vector<int32_t>> IntElements(const GgufFile& file, absl::string_view key,
                                                 const GgufArray& array) {
  switch (array.element) {
    case GgufType::kU8:
      return ConvertElements<uint8_t, int32_t>(file, key, array);
    case GgufType::kI8:
      return ConvertElements<int8_t, int32_t>(file, key, array);
    case GgufType::kU16:
      return ConvertElements<uint16_t, int32_t>(file, key, array);
    case GgufType::kI16:
      return ConvertElements<int16_t, int32_t>(file, key, array);
    case GgufType::kU32:
      return ConvertElements<uint32_t, int32_t>(file, key, array);
    case GgufType::kI32:
      return ConvertElements<int32_t, int32_t>(file, key, array);
    case GgufType::kU64:
      return ConvertElements<uint64_t, int32_t>(file, key, array);
    case GgufType::kI64:
      return ConvertElements<int64_t, int32_t>(file, key, array);
    default:
      return file.Error(key, absl::StrCat("expected an array of integers, found one of ",
                                          GgufTypeName(array.element)));
  }
}

absl::Status WrongType(const GgufFile& file, const GgufKeyValue& entry, absl::string_view wanted) {
  return file.Error(entry.key,
                    absl::StrCat("expected ", wanted, ", found ", GgufTypeName(entry.type)));
}

absl::StatusOr<const GgufArray*> OptionalArray(const GgufFile& file, absl::string_view key) {
  const GgufKeyValue* entry = file.Find(key);
  if (entry == nullptr) return nullptr;
  if (entry->type != GgufType::kArray) return WrongType(file, *entry, "an array");
  return &std::get<GgufArray>(entry->value);
}

template <typename T>
absl::StatusOr<T> Required(const GgufFile& file, absl::string_view key,
                           absl::StatusOr<std::optional<T>> value) {
  QUANTD_RETURN_IF_ERROR(value.status());
  if (!value->has_value()) return file.Error(key, "the key is missing");
  return **value;
}

}  // namespace

const char* GgufTypeName(GgufType type) {
  static constexpr const char* kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                           "bool", "string", "array", "u64", "i64", "f64"};
  const uint32_t index = static_cast<uint32_t>(type);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

uint64_t GgufTypeBytes(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    case GgufType::kString:
    case GgufType::kArray:
      return 0;
  }
  return 0;
}

int64_t GgufTensor::rows() const {
  int64_t rows = 1;
  for (size_t i = 1; i < shape.size(); ++i) rows *= shape[i];
  return rows;
}

const GgufKeyValue* GgufFile::Find(absl::string_view key) const {
  const auto it = metadata_index_.find(key);
  return it == metadata_index_.end() ? nullptr : &metadata_[it->second];
}

const GgufTensor* GgufFile::FindTensor(absl::string_view name) const {
  const auto it = tensor_index_.find(name);
  return it == tensor_index_.end() ? nullptr : &tensors_[it->second];
}

absl::StatusOr<std::optional<uint64_t>> GgufFile::OptionalUint(absl::string_view key) const {
  const GgufKeyValue* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  if (const auto* value = std::get_if<uint64_t>(&entry->value)) return *value;
  const auto* value = std::get_if<int64_t>(&entry->value);
  if (value == nullptr) return WrongType(*this, *entry, "an unsigned integer");
  if (*value < 0) return Error(key, absl::StrCat(*value, " must not be negative"));
  return static_cast<uint64_t>(*value);
}

absl::StatusOr<std::optional<double>> GgufFile::OptionalFloat(absl::string_view key) const {
  const GgufKeyValue* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  if (const auto* value = std::get_if<double>(&entry->value)) return *value;
  return WrongType(*this, *entry, "a float");
}

absl::StatusOr<std::optional<bool>> GgufFile::OptionalBool(absl::string_view key) const {
  const GgufKeyValue* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  if (const auto* value = std::get_if<bool>(&entry->value)) return *value;
  return WrongType(*this, *entry, "a bool");
}

absl::StatusOr<std::optional<absl::string_view>> GgufFile::OptionalString(
    absl::string_view key) const {
  const GgufKeyValue* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  if (const auto* value = std::get_if<absl::string_view>(&entry->value)) return *value;
  return WrongType(*this, *entry, "a string");
}

absl::StatusOr<uint64_t> GgufFile::Uint(absl::string_view key) const {
  return Required(*this, key, OptionalUint(key));
}

absl::StatusOr<double> GgufFile::Float(absl::string_view key) const {
  return Required(*this, key, OptionalFloat(key));
}

absl::StatusOr<absl::string_view> GgufFile::String(absl::string_view key) const {
  return Required(*this, key, OptionalString(key));
}

absl::StatusOr<const GgufArray*> GgufFile::OptionalStringArray(absl::string_view key) const {
  QUANTD_ASSIGN_OR_RETURN(const GgufArray* array, OptionalArray(*this, key));
  if (array != nullptr && array->element != GgufType::kString) {
    return Error(key, absl::StrCat("expected an array of strings, found one of ",
                                   GgufTypeName(array->element)));
  }
  return array;
}

absl::StatusOr<std::optional<std::vector<float>>> GgufFile::OptionalFloatArray(
    absl::string_view key) const {
  QUANTD_ASSIGN_OR_RETURN(const GgufArray* array, OptionalArray(*this, key));
  if (array == nullptr) return std::nullopt;
  if (array->element == GgufType::kF32) return ConvertElements<float, float>(*this, key, *array);
  if (array->element == GgufType::kF64) return ConvertElements<double, float>(*this, key, *array);
  return Error(key, absl::StrCat("expected an array of floats, found one of ",
                                 GgufTypeName(array->element)));
}

absl::StatusOr<std::optional<std::vector<int32_t>>> GgufFile::OptionalIntArray(
    absl::string_view key) const {
  QUANTD_ASSIGN_OR_RETURN(const GgufArray* array, OptionalArray(*this, key));
  if (array == nullptr) return std::nullopt;
  return IntElements(*this, key, *array);
}

const GgufFile& GgufFile::Part(const GgufTensor& tensor) const {
  return tensor.part == 0 ? *this : *other_parts_[tensor.part - 1];
}

uint64_t GgufFile::file_bytes() const {
  uint64_t bytes = bytes_.size();
  for (const auto& part : other_parts_) bytes += part->bytes_.size();
  return bytes;
}

void GgufFile::GiveBack(const GgufTensor& tensor) const {
  const MappedFile* mapping = Part(tensor).mapping_.get();
  if (mapping != nullptr) mapping->GiveBack(tensor.data, tensor.bytes);
}

absl::Status GgufFile::CheckNotTruncated(const GgufTensor& tensor) const {
  const MappedFile* mapping = Part(tensor).mapping_.get();
  if (mapping == nullptr || !mapping->Truncated()) return absl::OkStatus();
  return Error(tensor, "the file became shorter while it was in use");
}

absl::Status GgufFile::Error(const GgufTensor& tensor, absl::string_view what) const {
  return Part(tensor).Error(absl::StrCat("tensor ", Printable(tensor.name)), what);
}

absl::Status GgufFile::Error(absl::string_view field, absl::string_view what) const {
  return FileError(path_, field, what);
}

}  // namespace quantd
