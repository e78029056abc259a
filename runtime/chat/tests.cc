// The tests: what may stand after `is`.
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/builtin.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/string_ops.h"

namespace quantd::jinja {
namespace {

/// A test that looks at the value alone.
template <bool (*kTest)(const Value&)>
absl::StatusOr<Value> Alone(Runtime&, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("a test", given, {}).status());
  return Value::Bool(kTest(self));
}

bool IsDefined(const Value& value) { return !value.is(Kind::kUndefined); }
bool IsUndefined(const Value& value) { return value.is(Kind::kUndefined); }
bool IsNone(const Value& value) { return value.is(Kind::kNone); }
bool IsBoolean(const Value& value) { return value.is(Kind::kBool); }
bool IsTrue(const Value& value) { return value.is(Kind::kBool) && value.boolean(); }
bool IsFalse(const Value& value) { return value.is(Kind::kBool) && !value.boolean(); }
bool IsInteger(const Value& value) { return value.is(Kind::kInt); }
bool IsFloat(const Value& value) { return value.is(Kind::kFloat); }
bool IsNumber(const Value& value) { return value.is_number(); }
bool IsString(const Value& value) { return value.is(Kind::kString); }
bool IsEscaped(const Value& value) { return value.is(Kind::kString) && value.markup(); }
bool IsMapping(const Value& value) { return value.is(Kind::kDict); }
bool IsCallable(const Value& value) { return value.is(Kind::kCallable); }
// Whatever has a length and can be indexed, which a dict can.
bool IsSequence(const Value& value) {
  if (value.is(Kind::kList)) {
    const ListType type = value.list()->type;
    return type == ListType::kList || type == ListType::kTuple || type == ListType::kRange;
  }
  return value.is(Kind::kString) || value.is(Kind::kDict);
}
bool IsIterable(const Value& value) {
  return value.is(Kind::kString) || value.is(Kind::kList) || value.is(Kind::kDict) ||
         value.is(Kind::kLoop) || value.is(Kind::kUndefined);
}

template <Case kCase>
absl::StatusOr<Value> HasCase(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("a case test", given, {}).status());
  QUANTD_ASSIGN_OR_RETURN(const Value text, ToString(self, runtime.budget()));
  QUANTD_ASSIGN_OR_RETURN(const Value same, ChangeCase(text, kCase, runtime.budget()));
  constexpr Case kOther = kCase == Case::kUpper ? Case::kLower : Case::kUpper;
  QUANTD_ASSIGN_OR_RETURN(const Value other, ChangeCase(text, kOther, runtime.budget()));
  return Value::Bool(same.bytes() == text.bytes() && other.bytes() != text.bytes());
}

absl::StatusOr<Value> Divides(Runtime& runtime, const Value& self, int64_t divisor,
                              int64_t wanted) {
  QUANTD_ASSIGN_OR_RETURN(
      const Value rest, Arithmetic(Operator::kModulo, self, Value::Int(divisor), runtime.budget()));
  QUANTD_ASSIGN_OR_RETURN(const bool equal, Equal(rest, Value::Int(wanted), runtime.budget()));
  return Value::Bool(equal);
}

template <int64_t kRest>
absl::StatusOr<Value> OddOrEven(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("odd", given, {}).status());
  return Divides(runtime, self, 2, kRest);
}

absl::StatusOr<Value> DivisibleBy(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("divisibleby", given, {"num"}, 1));
  QUANTD_ASSIGN_OR_RETURN(const int64_t divisor, arguments.Integer(0, 0));
  return Divides(runtime, self, divisor, 0);
}

absl::StatusOr<Value> SameAs(Runtime&, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("sameas", given, {"other"}, 1));
  return Value::Bool(self.Same(*arguments.at(0)));
}

absl::StatusOr<Value> In(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments, BoundArguments::Bind("in", given, {"seq"}, 1));
  QUANTD_ASSIGN_OR_RETURN(const bool in, Contains(*arguments.at(0), self, runtime.budget()));
  return Value::Bool(in);
}

enum class Order { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

template <Order kOrder>
absl::StatusOr<Value> Compare(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("a comparison", given, {"other"}, 1));
  const Value& other = *arguments.at(0);
  const bool equality = kOrder == Order::kEqual || kOrder == Order::kNotEqual;
  const bool swapped = kOrder == Order::kGreater || kOrder == Order::kLessEqual;
  QUANTD_ASSIGN_OR_RETURN(const bool holds, equality  ? Equal(self, other, runtime.budget())
                                            : swapped ? Less(other, self, runtime.budget())
                                                      : Less(self, other, runtime.budget()));
  const bool negated =
      kOrder == Order::kNotEqual || kOrder == Order::kLessEqual || kOrder == Order::kGreaterEqual;
  return Value::Bool(holds != negated);
}

constexpr Builtin kTests[] = {
    {"!=", Compare<Order::kNotEqual>},
    {"<", Compare<Order::kLess>},
    {"<=", Compare<Order::kLessEqual>},
    {"==", Compare<Order::kEqual>},
    {">", Compare<Order::kGreater>},
    {">=", Compare<Order::kGreaterEqual>},
    {"boolean", Alone<IsBoolean>},
    {"callable", Alone<IsCallable>},
    {"defined", Alone<IsDefined>},
    {"divisibleby", DivisibleBy},
    {"eq", Compare<Order::kEqual>},
    {"equalto", Compare<Order::kEqual>},
    {"escaped", Alone<IsEscaped>},
    {"even", OddOrEven<0>},
    {"false", Alone<IsFalse>},
    {"float", Alone<IsFloat>},
    {"ge", Compare<Order::kGreaterEqual>},
    {"greaterthan", Compare<Order::kGreater>},
    {"gt", Compare<Order::kGreater>},
    {"in", In},
    {"integer", Alone<IsInteger>},
    {"iterable", Alone<IsIterable>},
    {"le", Compare<Order::kLessEqual>},
    {"lessthan", Compare<Order::kLess>},
    {"lower", HasCase<Case::kLower>},
    {"lt", Compare<Order::kLess>},
    {"mapping", Alone<IsMapping>},
    {"ne", Compare<Order::kNotEqual>},
    {"none", Alone<IsNone>},
    {"number", Alone<IsNumber>},
    {"odd", OddOrEven<1>},
    {"sameas", SameAs},
    {"sequence", Alone<IsSequence>},
    {"string", Alone<IsString>},
    {"true", Alone<IsTrue>},
    {"undefined", Alone<IsUndefined>},
    {"upper", HasCase<Case::kUpper>},
};

}  // namespace

absl::Span<const Builtin> Tests() { return kTests; }

}  // namespace quantd::jinja
