// Reads and validates the container: header, metadata, tensor descriptions, tensor placement. All
// input is untrusted: every length is compared with the bytes that are left before anything is
// allocated for it, and every step is linear in the bytes read (placement sorts the tensors).

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/formats/gguf.h"
#include "runtime/formats/scheme_table.h"

namespace quantd {

static_assert(std::endian::native == std::endian::little, "numbers are read as they lie");

namespace {

// Real files hold tens of keys and at most tens of thousands of tensors; vocabularies hold some
// hundred thousand strings. The limits bound the memory that a hostile file can make us use.
constexpr uint64_t kMaxKeys = 1 << 20;
constexpr uint64_t kMaxTensors = 1 << 20;
constexpr uint64_t kMaxArrayStrings = 1 << 24;  // of the whole file
constexpr uint64_t kMaxKeyBytes = 65535;
constexpr uint64_t kMaxTensorNameBytes = 63;
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = 1 << 24;
// The shortest key: length, one byte, type, one byte. The shortest tensor: length, one byte, number
// of dimensions, one dimension, type, offset.
constexpr uint64_t kMinKeyValueBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

}  // namespace

/// Fills one GgufFile from its bytes. Used once, on one thread.
class GgufParser {
 public:
  GgufParser(std::string path, absl::Span<const uint8_t> bytes) : file_(new GgufFile) {
    file_->path_ = std::move(path);
    file_->bytes_ = bytes;
  }

  absl::StatusOr<std::unique_ptr<GgufFile>> Run(std::unique_ptr<MappedFile> mapping) {
    file_->mapping_ = std::move(mapping);
    QUANTD_RETURN_IF_ERROR(ReadHeader());
    QUANTD_RETURN_IF_ERROR(ReadMetadata());
    QUANTD_RETURN_IF_ERROR(ReadAlignment());
    QUANTD_RETURN_IF_ERROR(ReadTensors());
    QUANTD_RETURN_IF_ERROR(PlaceTensors());
    QUANTD_RETURN_IF_ERROR(CheckOverlap());
    return std::move(file_);
  }

 private:
  uint64_t Left() const { return file_->bytes_.size() - position_; }
  const uint8_t* Here() const { return file_->bytes_.data() + position_; }

  absl::Status Error(absl::string_view field, absl::string_view what) const {
    return file_->Error(field, what);
  }
  absl::Status Truncated(absl::string_view field) const {
    return Error(field, absl::StrCat("the file ends here, at byte ", file_->bytes_.size(),
                                     "; it is incomplete"));
  }

  template <typename T>
  bool Read(T* value) {
    if (Left() < sizeof(T)) return false;
    std::memcpy(value, Here(), sizeof(T));
    position_ += sizeof(T);
    return true;
  }

  /// A length and that many bytes.
  absl::Status ReadString(absl::string_view field, absl::string_view* value) {
    uint64_t length = 0;
    if (!Read(&length)) return Truncated(field);
    if (length > Left()) {
      return Error(field, absl::StrCat("string of ", length, " bytes, but only ", Left(),
                                       " bytes of the file are left"));
    }
    *value = absl::string_view(reinterpret_cast<const char*>(Here()), length);
    position_ += length;
    return absl::OkStatus();
  }

  absl::Status CheckCount(absl::string_view field, uint64_t count, uint64_t limit,
                          uint64_t min_bytes) const {
    if (count > limit) {
      return Error(field, absl::StrCat(count, " exceeds the limit of ", limit));
    }
    if (count > Left() / min_bytes) {
      return Error(field, absl::StrCat(count, " entries cannot fit in the ", Left(),
                                       " bytes that are left of the file"));
    }
    return absl::OkStatus();
  }

  absl::Status ReadHeader();
  absl::Status ReadMetadata();
  absl::Status ReadKeyValue(uint64_t index);
  absl::Status ReadType(absl::string_view field, GgufType* type);
  absl::Status ReadValue(const GgufKeyValue& entry, GgufValue* value);
  absl::Status ReadArray(absl::string_view key, GgufArray* array);
  absl::Status ReadArrayStrings(absl::string_view key, GgufArray* array);
  absl::Status ReadAlignment();
  absl::Status ReadTensors();
  absl::Status ReadTensor(uint64_t index);
  absl::Status ReadTensorName(uint64_t index, GgufTensor* tensor);
  absl::Status ReadShape(absl::string_view field, GgufTensor* tensor);
  absl::Status SizeTensor(absl::string_view field, GgufTensor* tensor) const;
  absl::Status PlaceTensors();
  absl::Status CheckOverlap() const;

  template <typename Stored, typename Wide>
  absl::Status ReadScalar(absl::string_view key, GgufValue* value) {
    Stored stored;
    if (!Read(&stored)) return Truncated(key);
    *value = static_cast<Wide>(stored);
    return absl::OkStatus();
  }

  std::unique_ptr<GgufFile> file_;
  uint64_t position_ = 0;
  uint64_t n_tensors_ = 0, n_kv_ = 0;
  uint64_t array_strings_ = 0;
  uint64_t alignment_ = kDefaultAlignment;
};

absl::Status GgufParser::ReadHeader() {
  char magic[4];
  if (!Read(&magic)) return Truncated("magic");
  if (std::memcmp(magic, "GGUF", 4) != 0) {
    return Error("magic",
                 absl::StrCat("expected \"GGUF\", found \"", Printable(absl::string_view(magic, 4)),
                              "\"; this is no GGUF file"));
  }
  if (!Read(&file_->version_)) return Truncated("version");
  const uint32_t version = file_->version_;
  if (version != 0 && (version & 0xffff) == 0) {
    return absl::UnimplementedError(absl::StrCat(
        file_->path_, ": version: the file is big-endian; convert it to little-endian"));
  }
  if (version == 0) return Error("version", "0 is no GGUF version");
  if (version != 2 && version != 3) {
    return absl::UnimplementedError(
        absl::StrCat(file_->path_, ": version: ", version,
                     " is not supported (2 and 3 are); convert the model again"));
  }
  if (!Read(&n_tensors_)) return Truncated("tensor count");
  if (!Read(&n_kv_)) return Truncated("key count");
  QUANTD_RETURN_IF_ERROR(CheckCount("tensor count", n_tensors_, kMaxTensors, kMinTensorBytes));
  return CheckCount("key count", n_kv_, kMaxKeys, kMinKeyValueBytes);
}

absl::Status GgufParser::ReadMetadata() {
  file_->metadata_.reserve(n_kv_);
  file_->metadata_index_.reserve(n_kv_);
  for (uint64_t i = 0; i < n_kv_; ++i) QUANTD_RETURN_IF_ERROR(ReadKeyValue(i));
  return absl::OkStatus();
}

absl::Status GgufParser::ReadKeyValue(uint64_t index) {
  const std::string field = absl::StrCat("key ", index);
  absl::string_view key;
  QUANTD_RETURN_IF_ERROR(ReadString(field, &key));
  if (key.empty()) return Error(field, "the name is empty");
  if (key.size() > kMaxKeyBytes) {
    return Error(field, absl::StrCat("a name of ", key.size(), " bytes exceeds the limit of ",
                                     kMaxKeyBytes));
  }
  if (key.find('\0') != absl::string_view::npos) {
    return Error(field, absl::StrCat("the name \"", Printable(key), "\" contains NUL"));
  }
  if (!file_->metadata_index_.emplace(key, index).second) {
    return Error(Printable(key), "the key occurs twice");
  }
  GgufKeyValue& entry = file_->metadata_.emplace_back();
  entry.key = std::string(key);
  QUANTD_RETURN_IF_ERROR(ReadType(Printable(key), &entry.type));
  return ReadValue(entry, &entry.value);
}

absl::Status GgufParser::ReadType(absl::string_view field, GgufType* type) {
  uint32_t number = 0;
  if (!Read(&number)) return Truncated(field);
  if (number > static_cast<uint32_t>(GgufType::kF64)) {
    return Error(field, absl::StrCat("value type ", number, " does not exist (0 to 12 do)"));
  }
  *type = static_cast<GgufType>(number);
  return absl::OkStatus();
}

absl::Status GgufParser::ReadValue(const GgufKeyValue& entry, GgufValue* value) {
  const std::string field = Printable(entry.key);
  switch (entry.type) {
    case GgufType::kU8:
      return ReadScalar<uint8_t, uint64_t>(field, value);
    case GgufType::kI8:
      return ReadScalar<int8_t, int64_t>(field, value);
    case GgufType::kU16:
      return ReadScalar<uint16_t, uint64_t>(field, value);
    case GgufType::kI16:
      return ReadScalar<int16_t, int64_t>(field, value);
    case GgufType::kU32:
      return ReadScalar<uint32_t, uint64_t>(field, value);
    case GgufType::kI32:
      return ReadScalar<int32_t, int64_t>(field, value);
    case GgufType::kU64:
      return ReadScalar<uint64_t, uint64_t>(field, value);
    case GgufType::kI64:
      return ReadScalar<int64_t, int64_t>(field, value);
    case GgufType::kF32:
      return ReadScalar<float, double>(field, value);
    case GgufType::kF64:
      return ReadScalar<double, double>(field, value);
    case GgufType::kBool: {
      uint8_t stored = 0;
      if (!Read(&stored)) return Truncated(field);
      if (stored > 1) return Error(field, absl::StrCat("bool of value ", stored));
      *value = stored == 1;
      return absl::OkStatus();
    }
    case GgufType::kString: {
      absl::string_view text;
      QUANTD_RETURN_IF_ERROR(ReadString(field, &text));
      *value = text;
      return absl::OkStatus();
    }
    case GgufType::kArray:
      return ReadArray(field, &value->emplace<GgufArray>());
  }
  return absl::OkStatus();
}

absl::Status GgufParser::ReadArray(absl::string_view key, GgufArray* array) {
  QUANTD_RETURN_IF_ERROR(ReadType(key, &array->element));
  if (!Read(&array->count)) return Truncated(key);
  if (array->element == GgufType::kArray) return Error(key, "an array of arrays is not allowed");
  if (array->element == GgufType::kString) return ReadArrayStrings(key, array);
  const uint64_t width = GgufTypeBytes(array->element);
  if (array->count > Left() / width) {
    return Error(key, absl::StrCat("an array of ", array->count, " ", GgufTypeName(array->element),
                                   " values cannot fit in the ", Left(),
                                   " bytes that are left of the file"));
  }
  array->data = Here();
  position_ += array->count * width;
  return absl::OkStatus();
}

absl::Status GgufParser::ReadArrayStrings(absl::string_view key, GgufArray* array) {
  const std::string field = absl::StrCat(key, " (array of strings)");
  QUANTD_RETURN_IF_ERROR(
      CheckCount(field, array->count, kMaxArrayStrings - array_strings_, sizeof(uint64_t)));
  array_strings_ += array->count;
  array->strings.resize(array->count);
  for (absl::string_view& text : array->strings) {
    QUANTD_RETURN_IF_ERROR(ReadString(field, &text));
  }
  return absl::OkStatus();
}

absl::Status GgufParser::ReadAlignment() {
  const GgufKeyValue* entry = file_->Find("general.alignment");
  if (entry == nullptr) return absl::OkStatus();
  if (entry->type != GgufType::kU32) {
    return Error(entry->key, absl::StrCat("must be a u32, found a ", GgufTypeName(entry->type)));
  }
  alignment_ = std::get<uint64_t>(entry->value);
  if (!std::has_single_bit(alignment_) || alignment_ > kMaxAlignment) {
    return Error(entry->key,
                 absl::StrCat(alignment_, " is no power of two from 1 to ", kMaxAlignment));
  }
  return absl::OkStatus();
}

absl::Status GgufParser::ReadTensors() {
  // Metadata has been consumed since the header was checked: fewer bytes are left now.
  QUANTD_RETURN_IF_ERROR(CheckCount("tensor count", n_tensors_, kMaxTensors, kMinTensorBytes));
  file_->tensors_.reserve(n_tensors_);
  file_->tensor_index_.reserve(n_tensors_);
  for (uint64_t i = 0; i < n_tensors_; ++i) QUANTD_RETURN_IF_ERROR(ReadTensor(i));
  return absl::OkStatus();
}

absl::Status GgufParser::ReadTensor(uint64_t index) {
  GgufTensor& tensor = file_->tensors_.emplace_back();
  QUANTD_RETURN_IF_ERROR(ReadTensorName(index, &tensor));
  const std::string field = absl::StrCat("tensor ", Printable(tensor.name));
  QUANTD_RETURN_IF_ERROR(ReadShape(field, &tensor));
  if (!Read(&tensor.type)) return Truncated(absl::StrCat(field, ": type"));
  if (!Read(&tensor.offset)) return Truncated(absl::StrCat(field, ": offset"));
  return SizeTensor(field, &tensor);
}

absl::Status GgufParser::ReadTensorName(uint64_t index, GgufTensor* tensor) {
  const std::string field = absl::StrCat("name of tensor ", index);
  absl::string_view name;
  QUANTD_RETURN_IF_ERROR(ReadString(field, &name));
  if (name.empty()) return Error(field, "the name is empty");
  if (name.size() > kMaxTensorNameBytes) {
    return Error(field, absl::StrCat("\"", Printable(name), "\" has ", name.size(),
                                     " bytes; the limit is ", kMaxTensorNameBytes));
  }
  if (name.find('\0') != absl::string_view::npos) {
    return Error(field, absl::StrCat("\"", Printable(name), "\" contains NUL"));
  }
  if (!file_->tensor_index_.emplace(name, index).second) {
    return Error(absl::StrCat("tensor ", Printable(name)), "the name occurs twice");
  }
  tensor->name = std::string(name);
  return absl::OkStatus();
}

absl::Status GgufParser::ReadShape(absl::string_view field, GgufTensor* tensor) {
  uint32_t dimensions = 0;
  if (!Read(&dimensions)) return Truncated(absl::StrCat(field, ": dimensions"));
  if (dimensions < 1 || dimensions > kMaxDimensions) {
    return Error(field, absl::StrCat("has ", dimensions, " dimensions; 1 to ", kMaxDimensions,
                                     " are allowed"));
  }
  int64_t weights = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    int64_t extent = 0;
    if (!Read(&extent)) return Truncated(absl::StrCat(field, ": dimension ", i));
    if (extent < 1) {
      return Error(field, absl::StrCat("dimension ", i, " is ", extent, "; it must be positive"));
    }
    if (__builtin_mul_overflow(weights, extent, &weights)) {
      return Error(field, absl::StrCat("dimension ", i, " (", extent,
                                       ") makes the number of weights overflow"));
    }
    tensor->shape.push_back(extent);
  }
  return absl::OkStatus();
}

absl::Status GgufParser::SizeTensor(absl::string_view field, GgufTensor* tensor) const {
  const GgufScheme* scheme = FindGgufScheme(tensor->type);
  if (scheme == nullptr) {
    const char* name = KnownGgufTypeName(tensor->type);
    if (name == nullptr) {
      return Error(field, absl::StrCat("type ", static_cast<int32_t>(tensor->type),
                                       " does not exist or was removed"));
    }
    return absl::UnimplementedError(absl::StrCat(file_->path_, ": ", field, ": type ", name,
                                                 " is not supported; ", SupportedGgufTypes(),
                                                 " are"));
  }
  if (tensor->cols() % scheme->block_weights != 0) {
    return Error(field, absl::StrCat("rows of ", tensor->cols(), " weights are no multiple of the ",
                                     scheme->name, " block of ", scheme->block_weights));
  }
  int64_t bytes = 0;
  if (__builtin_mul_overflow(tensor->cols() / scheme->block_weights, scheme->block_bytes, &bytes) ||
      __builtin_mul_overflow(bytes, tensor->rows(), &bytes)) {
    return Error(field, "its size in bytes overflows");
  }
  tensor->bytes = static_cast<uint64_t>(bytes);
  return absl::OkStatus();
}

absl::Status GgufParser::PlaceTensors() {
  if (file_->tensors_.empty()) return absl::OkStatus();
  const uint64_t size = file_->bytes_.size();
  const uint64_t start = (position_ + alignment_ - 1) / alignment_ * alignment_;
  uint64_t end = 0;
  for (GgufTensor& tensor : file_->tensors_) {
    const std::string field = absl::StrCat("tensor ", Printable(tensor.name));
    if (tensor.offset % alignment_ != 0) {
      return Error(field, absl::StrCat("offset ", tensor.offset, " is no multiple of ", alignment_,
                                       " (general.alignment)"));
    }
    // Each sum is taken only after the one before is known to lie inside the file.
    if (start > size || tensor.offset > size - start ||
        tensor.bytes > size - start - tensor.offset) {
      return Error(field, absl::StrCat("its ", tensor.bytes, " bytes at offset ", tensor.offset,
                                       " of the tensor data reach past the end of the file (", size,
                                       " bytes); the file is incomplete or corrupt"));
    }
    tensor.offset += start;
    tensor.data = file_->bytes_.data() + tensor.offset;
    end = std::max(end, tensor.offset + tensor.bytes);
  }
  // Writers either stop after the last tensor or pad it too. In between, something was cut off.
  const uint64_t padded_end = (end + alignment_ - 1) / alignment_ * alignment_;
  if (size > end && size < padded_end) {
    return Error("padding",
                 absl::StrCat("the file ends at byte ", size, " inside the padding up to ",
                              padded_end, "; it is incomplete"));
  }
  return absl::OkStatus();
}

absl::Status GgufParser::CheckOverlap() const {
  std::vector<const GgufTensor*> order;
  order.reserve(file_->tensors_.size());
  for (const GgufTensor& tensor : file_->tensors_) order.push_back(&tensor);
  std::sort(order.begin(), order.end(),
            [](const GgufTensor* a, const GgufTensor* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset) {
      return Error(
          absl::StrCat("tensor ", Printable(order[i]->name)),
          absl::StrCat("its data overlap those of tensor ", Printable(order[i - 1]->name)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::OpenPart(const std::string& path) {
  QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> mapping, MappedFile::Open(path));
  const absl::Span<const uint8_t> bytes = mapping->bytes();
  return GgufParser(path, bytes).Run(std::move(mapping));
}

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Parse(absl::Span<const uint8_t> bytes,
                                                          const std::string& name) {
  return GgufParser(name, bytes).Run(nullptr);
}

}  // namespace quantd
