#ifndef QUANTD_RUNTIME_FORMATS_GGUF_H_
#define QUANTD_RUNTIME_FORMATS_GGUF_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/formats/mapped_file.h"

namespace quantd {

/// Element type of a GGUF metadata value, numbered as in the file.
enum class GgufType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};
const char* GgufTypeName(GgufType type);
/// Bytes of one value; 0 for strings and arrays, whose length varies.
uint64_t GgufTypeBytes(GgufType type);

/// A metadata array. Strings are views into the mapped file; numbers are read on demand.
struct GgufArray {
  GgufType element = GgufType::kU8;
  uint64_t count = 0;
  const uint8_t* data = nullptr;           ///< numbers, unaligned little-endian
  std::vector<absl::string_view> strings;  ///< when element is kString
};

/// A scalar of any integer type is widened: unsigned to uint64_t, signed to int64_t, floats to
/// double.
using GgufValue = std::variant<uint64_t, int64_t, double, bool, absl::string_view, GgufArray>;

struct GgufKeyValue {
  std::string key;
  GgufType type;
  GgufValue value;
};

/// One tensor of the file. shape is as stored: shape[0] is the contiguous dimension (K).
struct GgufTensor {
  std::string name;
  std::vector<int64_t> shape;  ///< 1 to 4 dimensions, each >= 1
  uint32_t type = 0;           ///< GGUF tensor type id; scheme_table.h gives its meaning
  uint64_t offset = 0;         ///< of data from the start of its file; lies wholly inside it
  uint64_t bytes = 0;
  const uint8_t* data = nullptr;
  uint32_t part = 0;  ///< which file of a model that is split into several holds it

  int64_t cols() const { return shape[0]; }
  int64_t rows() const;  ///< product of the other dimensions
};

/// A parsed and validated GGUF v2 or v3 file, with the other parts of the model if it is split.
/// Owns the mappings that tensors and strings point into. Immutable, thread-safe. Every error names
/// the file and the field.
class GgufFile {
 public:
  /// Opens a file; if it is the first of a split model (NAME-00001-of-0000N.gguf with the keys
  /// split.*), all others too, whose tensors follow its own. Errors: those of MappedFile::Open when
  /// a file cannot be read; DATA_LOSS when one is malformed or the parts do not belong together;
  /// INVALID_ARGUMENT for a part that is not the first; UNIMPLEMENTED for a version, byte order or
  /// tensor type (named) that this build does not read. A file without tensors (a vocabulary) is
  /// valid.
  static absl::StatusOr<std::unique_ptr<GgufFile>> Open(const std::string& path);
  /// Parses bytes that the caller keeps alive (tests, fuzzers), without other parts. `name` stands
  /// for the path.
  static absl::StatusOr<std::unique_ptr<GgufFile>> Parse(absl::Span<const uint8_t> bytes,
                                                         const std::string& name);

  const std::string& path() const { return path_; }
  uint32_t version() const { return version_; }
  uint64_t file_bytes() const;  ///< of all parts
  size_t part_count() const { return 1 + other_parts_.size(); }
  const std::vector<GgufKeyValue>& metadata() const { return metadata_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }

  const GgufKeyValue* Find(absl::string_view key) const;
  const GgufTensor* FindTensor(absl::string_view name) const;

  // Typed look-ups. Absent: the Optional forms give nullopt, the others DATA_LOSS naming the key.
  // Wrong type or out of range: DATA_LOSS naming key, file, found and wanted type. Any integer type
  // serves as an unsigned one if its value is not negative; F32 and F64 serve as float.
  absl::StatusOr<std::optional<uint64_t>> OptionalUint(absl::string_view key) const;
  absl::StatusOr<std::optional<double>> OptionalFloat(absl::string_view key) const;
  absl::StatusOr<std::optional<bool>> OptionalBool(absl::string_view key) const;
  absl::StatusOr<std::optional<absl::string_view>> OptionalString(absl::string_view key) const;
  absl::StatusOr<uint64_t> Uint(absl::string_view key) const;
  absl::StatusOr<double> Float(absl::string_view key) const;
  absl::StatusOr<absl::string_view> String(absl::string_view key) const;
  /// Null if absent; error if present with another element type.
  absl::StatusOr<const GgufArray*> OptionalStringArray(absl::string_view key) const;
  absl::StatusOr<std::optional<std::vector<float>>> OptionalFloatArray(absl::string_view key) const;
  absl::StatusOr<std::optional<std::vector<int32_t>>> OptionalIntArray(absl::string_view key) const;

  /// Tells the system that the tensor's data will not be read soon. A hint; see
  /// MappedFile::GiveBack. Nothing for Parse.
  void GiveBack(const GgufTensor& tensor) const;
  /// DATA_LOSS if the tensor's file has shrunk since Open, so that reading data would be fatal.
  absl::Status CheckNotTruncated(const GgufTensor& tensor) const;

  /// An error of this file: "PATH: FIELD: what".
  absl::Status Error(absl::string_view field, absl::string_view what) const;
  /// An error of a tensor: "PATH: tensor NAME: what", with the path of the part that holds it.
  absl::Status Error(const GgufTensor& tensor, absl::string_view what) const;

 private:
  GgufFile() = default;
  friend class GgufParser;
  static absl::StatusOr<std::unique_ptr<GgufFile>> OpenPart(const std::string& path);
  const GgufFile& Part(const GgufTensor& tensor) const;
  absl::Status OpenOtherParts();
  absl::Status AddPart(std::unique_ptr<GgufFile> part, uint64_t count);

  std::string path_;
  std::unique_ptr<MappedFile> mapping_;
  absl::Span<const uint8_t> bytes_;
  uint32_t version_ = 0;
  std::vector<GgufKeyValue> metadata_;
  std::vector<GgufTensor> tensors_;  ///< those of all parts
  std::vector<std::unique_ptr<GgufFile>> other_parts_;
  absl::flat_hash_map<std::string, size_t> metadata_index_, tensor_index_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_GGUF_H_
