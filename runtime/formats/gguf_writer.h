#ifndef QUANTD_RUNTIME_FORMATS_GGUF_WRITER_H_
#define QUANTD_RUNTIME_FORMATS_GGUF_WRITER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "runtime/formats/gguf.h"

namespace quantd {

/// Writes a GGUF v3 file: metadata and tensor descriptions first, then tensor data streamed in
/// the order of AddTensor, so that a model larger than memory can be written. Setting a key again
/// replaces its value. Not thread-safe.
class GgufWriter {
 public:
  void SetUint32(absl::string_view key, uint32_t value);
  void SetFloat32(absl::string_view key, float value);
  void SetBool(absl::string_view key, bool value);
  void SetString(absl::string_view key, absl::string_view value);
  void SetStrings(absl::string_view key, const std::vector<std::string>& values);
  void SetFloats(absl::string_view key, const std::vector<float>& values);
  void SetInts(absl::string_view key, const std::vector<int32_t>& values);
  /// An array of unsigned bytes.
  void SetBytes(absl::string_view key, absl::string_view bytes);
  /// Copies a key with its value from another file; its general.alignment is left out, since the
  /// data written here have the default one.
  void Copy(const GgufKeyValue& entry);

  /// `shape[0]` is K, a multiple of the type's block. `type_id` is a row of the scheme table.
  void AddTensor(absl::string_view name, std::vector<int64_t> shape, uint32_t type_id);

  /// Produces the bytes of one tensor; called once per tensor, in order.
  using TensorBytes = std::function<absl::Status(size_t index, std::vector<uint8_t>* bytes)>;
  /// Writes to a temporary name beside `path` and renames it: a reader never sees half a file.
  /// Errors: those of the file system, naming the path; those of `tensor_bytes`; INTERNAL if it
  /// produced another number of bytes than shape and type imply.
  absl::Status Write(const std::string& path, const TensorBytes& tensor_bytes) const;

 private:
  struct Entry {
    std::string key;
    std::string bytes;  ///< type and value, encoded
  };
  struct TensorInfo {
    std::string name;
    std::vector<int64_t> shape;
    uint32_t type_id;
    uint64_t bytes;
  };
  void Set(absl::string_view key, std::string bytes);
  std::string Header() const;

  std::vector<Entry> entries_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_GGUF_WRITER_H_
