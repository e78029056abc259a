#ifndef QUANTD_SERVER_YAML_READER_H_
#define QUANTD_SERVER_YAML_READER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantd {

/// Where something stands in a file; both from 1.
struct YamlPosition {
  int line = 1;
  int column = 1;
};

/// A value of a YAML document, as written: scalars are not interpreted. Plain data.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Member;

  Kind kind = Kind::kNull;
  YamlPosition at;
  std::string text;     ///< of a scalar
  bool quoted = false;  ///< the scalar is in quotes or a block, so it can only be a string
  std::vector<YamlNode> items;
  std::vector<Member> members;  ///< of a map, in the order of the file; keys are unique
};
struct YamlNode::Member {
  std::string key;
  YamlPosition at;  ///< of the key
  YamlNode value;
};

/// "FILE:LINE:COLUMN: what" as INVALID_ARGUMENT.
absl::Status YamlError(const std::string& file, YamlPosition at, absl::string_view what);

/// Parses one document of the part of YAML that configuration needs: maps with unique scalar keys,
/// lists and scalars. Refused with a position: anchors and aliases, tags, more than one document,
/// more than kMaxYamlDepth levels, more than kMaxYamlBytes, NUL, a byte order mark, invalid UTF-8.
/// An empty document is a null node. `file` names it in errors.
absl::StatusOr<YamlNode> ReadYaml(const std::string& text, const std::string& file);

inline constexpr int kMaxYamlDepth = 16;
inline constexpr size_t kMaxYamlBytes = 1 << 20;

}  // namespace quantd

#endif  // QUANTD_SERVER_YAML_READER_H_
