#include "runtime/formats/gguf_writer.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/scheme_table.h"
#include "runtime/formats/temporary_file.h"

namespace quantd {
namespace {

constexpr uint32_t kVersion = 3;
constexpr char kAlignmentKey[] = "general.alignment";
constexpr uint64_t kAlignment = 32;  // the format's default, so that no key need say it

template <typename T>
void AppendNumber(T value, std::string* bytes) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  bytes->append(raw, sizeof(T));
}

void AppendString(absl::string_view text, std::string* bytes) {
  AppendNumber<uint64_t>(text.size(), bytes);
  bytes->append(text.data(), text.size());
}

std::string TypeTag(GgufType type) {
  std::string bytes;
  AppendNumber(static_cast<uint32_t>(type), &bytes);
  return bytes;
}

std::string ArrayHeader(GgufType element, uint64_t count) {
  std::string bytes = TypeTag(GgufType::kArray);
  AppendNumber(static_cast<uint32_t>(element), &bytes);
  AppendNumber(count, &bytes);
  return bytes;
}

template <typename T>
std::string NumberArray(GgufType element, const std::vector<T>& values) {
  std::string bytes = ArrayHeader(element, values.size());
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  return bytes;
}

template <typename Strings>
std::string StringArray(const Strings& values) {
  std::string bytes = ArrayHeader(GgufType::kString, values.size());
  for (const auto& value : values) AppendString(value, &bytes);
  return bytes;
}

/// Undoes the widening of GgufValue: appends an integer in the type it was stored in.
template <typename Wide>
void AppendInteger(GgufType type, Wide value, std::string* bytes) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
      return AppendNumber(static_cast<uint8_t>(value), bytes);
    case GgufType::kU16:
    case GgufType::kI16:
      return AppendNumber(static_cast<uint16_t>(value), bytes);
    case GgufType::kU32:
    case GgufType::kI32:
      return AppendNumber(static_cast<uint32_t>(value), bytes);
    default:
      return AppendNumber(static_cast<uint64_t>(value), bytes);
  }
}

struct ValueEncoder {
  GgufType type;

  std::string operator()(uint64_t value) const { return Integer(value); }
  std::string operator()(int64_t value) const { return Integer(value); }
  std::string operator()(double value) const {
    std::string bytes = TypeTag(type);
    if (type == GgufType::kF32) {
      AppendNumber(static_cast<float>(value), &bytes);
    } else {
      AppendNumber(value, &bytes);
    }
    return bytes;
  }
  std::string operator()(bool value) const {
    std::string bytes = TypeTag(type);
    AppendNumber(static_cast<uint8_t>(value), &bytes);
    return bytes;
  }
  std::string operator()(absl::string_view value) const {
    std::string bytes = TypeTag(type);
    AppendString(value, &bytes);
    return bytes;
  }
  std::string operator()(const GgufArray& array) const {
    if (array.element == GgufType::kString) return StringArray(array.strings);
    std::string bytes = ArrayHeader(array.element, array.count);
    bytes.append(reinterpret_cast<const char*>(array.data),
                 array.count * GgufTypeBytes(array.element));
    return bytes;
  }

  template <typename Wide>
  std::string Integer(Wide value) const {
    std::string bytes = TypeTag(type);
    AppendInteger(type, value, &bytes);
    return bytes;
  }
};

}  // namespace

void GgufWriter::Set(absl::string_view key, std::string bytes) {
  QUANTD_CHECK(key != kAlignmentKey, "the data are written with the default alignment");
  for (Entry& entry : entries_) {
    if (entry.key != key) continue;
    entry.bytes = std::move(bytes);
    return;
  }
  entries_.push_back({std::string(key), std::move(bytes)});
}

void GgufWriter::SetUint32(absl::string_view key, uint32_t value) {
  Set(key, ValueEncoder{GgufType::kU32}(uint64_t{value}));
}

void GgufWriter::SetFloat32(absl::string_view key, float value) {
  Set(key, ValueEncoder{GgufType::kF32}(double{value}));
}

void GgufWriter::SetBool(absl::string_view key, bool value) {
  Set(key, ValueEncoder{GgufType::kBool}(value));
}

void GgufWriter::SetString(absl::string_view key, absl::string_view value) {
  Set(key, ValueEncoder{GgufType::kString}(value));
}

void GgufWriter::SetStrings(absl::string_view key, const std::vector<std::string>& values) {
  Set(key, StringArray(values));
}

void GgufWriter::SetFloats(absl::string_view key, const std::vector<float>& values) {
  Set(key, NumberArray(GgufType::kF32, values));
}

void GgufWriter::SetInts(absl::string_view key, const std::vector<int32_t>& values) {
  Set(key, NumberArray(GgufType::kI32, values));
}

void GgufWriter::SetBytes(absl::string_view key, absl::string_view bytes) {
  Set(key, absl::StrCat(ArrayHeader(GgufType::kU8, bytes.size()), bytes));
}

void GgufWriter::Copy(const GgufKeyValue& entry) {
  if (entry.key == kAlignmentKey) return;
  Set(entry.key, std::visit(ValueEncoder{entry.type}, entry.value));
}

void GgufWriter::AddTensor(absl::string_view name, std::vector<int64_t> shape, uint32_t type_id) {
  const GgufScheme* scheme = FindGgufScheme(type_id);
  QUANTD_CHECK(scheme != nullptr, "only types of the scheme table have a size");
  QUANTD_CHECK(!shape.empty() && shape.size() <= 4 && shape[0] % scheme->block_weights == 0,
               "one to four dimensions, rows of whole blocks");
  int64_t bytes = scheme->RowBytes(shape[0]);
  for (size_t i = 1; i < shape.size(); ++i) bytes *= shape[i];
  tensors_.push_back({std::string(name), std::move(shape), type_id, static_cast<uint64_t>(bytes)});
}

std::string GgufWriter::Header() const {
  std::string bytes = "GGUF";
  AppendNumber(kVersion, &bytes);
  AppendNumber<uint64_t>(tensors_.size(), &bytes);
  AppendNumber<uint64_t>(entries_.size(), &bytes);
  for (const Entry& entry : entries_) {
    AppendString(entry.key, &bytes);
    bytes += entry.bytes;
  }
  uint64_t offset = 0;
  for (const TensorInfo& tensor : tensors_) {
    AppendString(tensor.name, &bytes);
    AppendNumber(static_cast<uint32_t>(tensor.shape.size()), &bytes);
    for (const int64_t extent : tensor.shape) AppendNumber(extent, &bytes);
    AppendNumber(tensor.type_id, &bytes);
    AppendNumber(offset, &bytes);
    offset += (tensor.bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  return bytes;
}

absl::Status GgufWriter::Write(const std::string& path, const TensorBytes& tensor_bytes) const {
  TemporaryFile file(path);
  QUANTD_RETURN_IF_ERROR(file.Open());
  const std::string header = Header();
  QUANTD_RETURN_IF_ERROR(file.Append(header.data(), header.size()));
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    QUANTD_RETURN_IF_ERROR(tensor_bytes(i, &bytes));
    if (bytes.size() != tensors_[i].bytes) {
      return absl::InternalError(absl::StrCat("tensor ", tensors_[i].name, ": expected ",
                                              tensors_[i].bytes, " bytes to write, got ",
                                              bytes.size()));
    }
    QUANTD_RETURN_IF_ERROR(file.Pad(kAlignment));
    QUANTD_RETURN_IF_ERROR(file.Append(bytes.data(), bytes.size()));
  }
  if (!tensors_.empty()) QUANTD_RETURN_IF_ERROR(file.Pad(kAlignment));
  return file.Commit();
}

}  // namespace quantd
