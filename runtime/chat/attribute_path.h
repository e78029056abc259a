#ifndef QUANTD_RUNTIME_CHAT_ATTRIBUTE_PATH_H_
#define QUANTD_RUNTIME_CHAT_ATTRIBUTE_PATH_H_

#include <vector>

#include "absl/status/statusor.h"
#include "runtime/chat/value.h"

namespace quantd::jinja {

/// What filters take as `attribute`: names separated by dots, numbers among them being indices.
/// Undefined and None are the empty path, which leads to the item itself.
class AttributePath {
 public:
  static absl::StatusOr<AttributePath> Parse(const Value* attribute);
  /// Paths separated by commas, as `sort` takes them.
  static absl::StatusOr<std::vector<AttributePath>> ParseList(const Value* attribute);

  /// `absent`, unless null, stands for what is undefined on the way.
  absl::StatusOr<Value> Follow(const Value& item, const Value* absent, Budget& budget) const;

 private:
  std::vector<Value> parts_;
};

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_ATTRIBUTE_PATH_H_
