#ifndef QUANTD_RUNTIME_CHAT_OPERATIONS_H_
#define QUANTD_RUNTIME_CHAT_OPERATIONS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/chat/value.h"

// What can be done with values, as Python does it. Errors are INVALID_ARGUMENT with Python's or
// Jinja's words, or RESOURCE_EXHAUSTED from the budget.
namespace quantd::jinja {

/// The name of a value's Python type, for errors.
const char* TypeName(const Value& value);
/// The error of using an undefined value.
absl::Status UndefinedError(const Value& value);

bool Truthy(const Value& value);
absl::StatusOr<bool> Equal(const Value& a, const Value& b, Budget& budget);
/// a < b; TypeError for values without an order.
absl::StatusOr<bool> Less(const Value& a, const Value& b, Budget& budget);
/// item in container.
absl::StatusOr<bool> Contains(const Value& container, const Value& item, Budget& budget);
absl::StatusOr<int64_t> Length(const Value& value, Budget& budget);
/// What a loop over the value would give: a list's items, a dict's keys, a string's characters.
/// Uses a generator up.
absl::StatusOr<ListPtr> Iterate(const Value& value, Budget& budget);

/// The text of str(value); "" for an undefined value.
void AppendString(const Value& value, TextBuilder* out);
/// The text of repr(value).
void AppendRepr(const Value& value, TextBuilder* out);
/// str(value): the value itself if it is a string.
absl::StatusOr<Value> ToString(const Value& value, Budget& budget);
/// repr() of a float: the shortest decimal that gives it back.
std::string FloatText(double value);

enum class Operator : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
};
absl::StatusOr<Value> Arithmetic(Operator op, const Value& a, const Value& b, Budget& budget);
absl::StatusOr<Value> Negate(const Value& value);

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_OPERATIONS_H_
