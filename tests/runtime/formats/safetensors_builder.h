#ifndef QUANTD_TESTS_RUNTIME_FORMATS_SAFETENSORS_BUILDER_H_
#define QUANTD_TESTS_RUNTIME_FORMATS_SAFETENSORS_BUILDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/runtime/formats/gguf_builder.h"  // Raw

namespace quantd {

/// A safetensors file of any header, valid or not.
inline std::string RawSafetensors(const std::string& header, const std::string& data) {
  return Raw<uint64_t>(header.size()) + header + data;
}

/// The same with a header of these entries.
inline std::string RawSafetensorsOf(const std::vector<std::string>& entries,
                                    const std::string& data) {
  return RawSafetensors(absl::StrCat("{", absl::StrJoin(entries, ","), "}"), data);
}

/// One entry of a header.
inline std::string RawEntry(const std::string& name, const std::string& dtype,
                            const std::string& shape, const std::string& offsets) {
  return absl::StrCat("\"", name, R"(":{"dtype":")", dtype, R"(","shape":)", shape,
                      R"(,"data_offsets":)", offsets, "}");
}

/// Builds valid files tensor by tensor.
struct SafetensorsBuilder {
  std::vector<std::string> entries;
  std::string data;

  SafetensorsBuilder& Add(const std::string& name, const std::string& dtype,
                          const std::vector<int64_t>& shape, const std::string& bytes) {
    entries.push_back(
        RawEntry(name, dtype, absl::StrCat("[", absl::StrJoin(shape, ","), "]"),
                 absl::StrCat("[", data.size(), ",", data.size() + bytes.size(), "]")));
    data += bytes;
    return *this;
  }
  std::string Bytes() const { return RawSafetensorsOf(entries, data); }
};

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_FORMATS_SAFETENSORS_BUILDER_H_
