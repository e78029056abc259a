#ifndef QUANTD_TESTS_RUNTIME_FORMATS_GGUF_BUILDER_H_
#define QUANTD_TESTS_RUNTIME_FORMATS_GGUF_BUILDER_H_

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace quantd {

/// A number as it lies in a file.
template <typename T>
std::string Raw(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

/// A GGUF string: length and bytes.
inline std::string RawString(const std::string& text) { return Raw<uint64_t>(text.size()) + text; }

/// A key with its value type and value.
inline std::string RawKey(const std::string& key, uint32_t type, const std::string& value) {
  return RawString(key) + Raw(type) + value;
}

inline std::string RawArray(uint32_t element, uint64_t count, const std::string& elements) {
  return Raw(element) + Raw(count) + elements;
}

/// Builds a GGUF file field by field, valid or not; independent of GgufWriter.
struct GgufBuilder {
  struct Tensor {
    std::string name;
    std::vector<uint64_t> dims;
    uint32_t type;
    uint64_t offset;
    std::optional<uint32_t> n_dims = std::nullopt;  ///< when it is to differ from dims.size()
  };

  std::string magic = "GGUF";
  uint32_t version = 3;
  std::optional<uint64_t> n_tensors, n_kv;  ///< when they are to differ from what follows
  std::vector<std::string> keys;            ///< of RawKey
  std::vector<Tensor> tensors;
  uint64_t alignment = 32;
  std::string data;

  std::string Bytes() const {
    std::string bytes = magic + Raw(version) + Raw<uint64_t>(n_tensors.value_or(tensors.size())) +
                        Raw<uint64_t>(n_kv.value_or(keys.size()));
    for (const std::string& key : keys) bytes += key;
    for (const Tensor& tensor : tensors) {
      bytes += RawString(tensor.name);
      bytes += Raw<uint32_t>(tensor.n_dims.value_or(tensor.dims.size()));
      for (const uint64_t dim : tensor.dims) bytes += Raw(dim);
      bytes += Raw(tensor.type) + Raw(tensor.offset);
    }
    if (!data.empty()) bytes.resize((bytes.size() + alignment - 1) / alignment * alignment, '\0');
    return bytes + data;
  }
};

/// Two keys and two tensors: "first", F32 [2, 8], and "second", Q4_0 [3, 32], whose 54 bytes end 10
/// bytes before the padded end of the file.
inline GgufBuilder SmallGguf() {
  GgufBuilder file;
  file.keys = {RawKey("general.architecture", 8, RawString("llama")),
               RawKey("answer", 4, Raw<uint32_t>(42))};
  file.tensors = {{"first", {8, 2}, 0, 0}, {"second", {32, 3}, 2, 64}};
  file.data = std::string(128, '\0');
  return file;
}

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_FORMATS_GGUF_BUILDER_H_
