// The operators of operations.h.
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/format.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/string_ops.h"

namespace quantd::jinja {
namespace {

constexpr const char* kSymbols[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};

absl::Status TypeError(Operator op, const Value& a, const Value& b) {
  return absl::InvalidArgumentError(absl::StrCat("unsupported operand type(s) for ",
                                                 kSymbols[static_cast<size_t>(op)], ": '",
                                                 TypeName(a), "' and '", TypeName(b), "'"));
}

absl::Status OverflowError() { return absl::InvalidArgumentError("a number does not fit 64 bits"); }
absl::Status ZeroError() { return absl::InvalidArgumentError("division by zero"); }

// Rounded down, as Python's // and unlike C++'s /.
absl::StatusOr<Value> FloorDivide(int64_t a, int64_t b) {
  if (b == 0) return ZeroError();
  if (a == std::numeric_limits<int64_t>::min() && b == -1) return OverflowError();
  const int64_t quotient = a / b;
  return Value::Int(a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient);
}

// The sign is that of the divisor.
absl::StatusOr<Value> Modulo(int64_t a, int64_t b) {
  if (b == 0) return ZeroError();
  if (b == -1) return Value::Int(0);
  const int64_t rest = a % b;
  return Value::Int(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

absl::StatusOr<Value> Power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return ZeroError();
    return Value::Float(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  // 0, 1 and -1 never overflow, and their exponents only count by parity.
  if (base >= -1 && base <= 1) exponent = exponent == 0 ? 0 : 2 - exponent % 2;
  for (; exponent > 0; --exponent) {
    if (__builtin_mul_overflow(result, base, &result)) return OverflowError();
  }
  return Value::Int(result);
}

absl::StatusOr<Value> OnIntegers(Operator op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Operator::kAdd:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Operator::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Operator::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Operator::kDivide:
      if (b == 0) return ZeroError();
      return Value::Float(static_cast<double>(a) / static_cast<double>(b));
    case Operator::kFloorDivide:
      return FloorDivide(a, b);
    case Operator::kModulo:
      return Modulo(a, b);
    case Operator::kPower:
      return Power(a, b);
  }
  if (overflow) return OverflowError();
  return Value::Int(result);
}

absl::StatusOr<Value> OnFloats(Operator op, double a, double b) {
  const bool divides =
      op == Operator::kDivide || op == Operator::kFloorDivide || op == Operator::kModulo;
  if (divides && b == 0) return ZeroError();
  double rest = divides ? std::fmod(a, b) : 0;
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  switch (op) {
    case Operator::kAdd:
      return Value::Float(a + b);
    case Operator::kSubtract:
      return Value::Float(a - b);
    case Operator::kMultiply:
      return Value::Float(a * b);
    case Operator::kDivide:
      return Value::Float(a / b);
    case Operator::kFloorDivide:
      return Value::Float(std::round((a - rest) / b));
    case Operator::kModulo:
      return Value::Float(rest == 0 ? std::copysign(0.0, b) : rest);
    case Operator::kPower:
      break;
  }
  if (a == 0 && b < 0) return ZeroError();
  return Value::Float(std::pow(a, b));
}

absl::StatusOr<Value> Join(const Value& a, const Value& b, Budget& budget) {
  if (a.is(Kind::kString)) {
    TextBuilder text(&budget);
    if (a.markup() == b.markup()) {
      text.Append(a.text());
      text.Append(b.text());
      return FinishString(&text, a.markup());
    }
    for (const Value* side : {&a, &b}) {
      QUANTD_ASSIGN_OR_RETURN(const Value escaped, EscapeHtml(*side, budget));
      text.Append(escaped.text());
    }
    return FinishString(&text, /*markup=*/true);
  }
  const ListData &left = *a.list(), &right = *b.list();
  QUANTD_RETURN_IF_ERROR(budget.SpendOn(left.items.size() + right.items.size(), 4));
  std::vector<Value> items = left.items;
  items.insert(items.end(), right.items.begin(), right.items.end());
  return MakeList(&budget, std::move(items), left.type);
}

absl::StatusOr<Value> Repeat(const Value& value, int64_t count, Budget& budget) {
  const uint64_t times = static_cast<uint64_t>(std::max<int64_t>(count, 0));
  if (value.is(Kind::kString)) {
    TextBuilder text(&budget);
    const bool empty = value.bytes().empty();
    for (uint64_t i = 0; i < times && !empty && !text.exhausted(); ++i) text.Append(value.text());
    return FinishString(&text, value.markup());
  }
  const std::vector<Value>& items = value.list()->items;
  std::vector<Value> all;
  for (uint64_t i = 0; i < times && !items.empty(); ++i) {
    QUANTD_RETURN_IF_ERROR(budget.Spend(1 + static_cast<int64_t>(items.size())));
    all.insert(all.end(), items.begin(), items.end());
  }
  return MakeList(&budget, std::move(all), value.list()->type);
}

// What + joins and * repeats.
bool IsSequence(const Value& value) {
  return value.is(Kind::kString) ||
         (value.is(Kind::kList) &&
          (value.list()->type == ListType::kList || value.list()->type == ListType::kTuple));
}

bool IsInteger(const Value& value) { return value.is(Kind::kInt) || value.is(Kind::kBool); }

}  // namespace

absl::StatusOr<Value> Arithmetic(Operator op, const Value& a, const Value& b, Budget& budget) {
  if (a.is(Kind::kUndefined)) return UndefinedError(a);
  if (op == Operator::kModulo && a.is(Kind::kString)) return FormatPercent(a, b, budget);
  if (b.is(Kind::kUndefined)) return UndefinedError(b);
  if (a.is_number() && b.is_number()) {
    if (a.is(Kind::kFloat) || b.is(Kind::kFloat)) {
      return OnFloats(op, a.as_double(), b.as_double());
    }
    return OnIntegers(op, a.as_integer(), b.as_integer());
  }
  if (op == Operator::kAdd && IsSequence(a) && a.kind() == b.kind() && IsSequence(b) &&
      (a.is(Kind::kString) || a.list()->type == b.list()->type)) {
    return Join(a, b, budget);
  }
  if (op == Operator::kMultiply && IsSequence(a) && IsInteger(b)) {
    return Repeat(a, b.as_integer(), budget);
  }
  if (op == Operator::kMultiply && IsSequence(b) && IsInteger(a)) {
    return Repeat(b, a.as_integer(), budget);
  }
  return TypeError(op, a, b);
}

absl::StatusOr<Value> Negate(const Value& value) {
  if (value.is(Kind::kUndefined)) return UndefinedError(value);
  if (value.is(Kind::kFloat)) return Value::Float(-value.floating());
  if (!IsInteger(value)) {
    return absl::InvalidArgumentError(
        absl::StrCat("bad operand type for unary -: '", TypeName(value), "'"));
  }
  if (value.as_integer() == std::numeric_limits<int64_t>::min()) return OverflowError();
  return Value::Int(-value.as_integer());
}

}  // namespace quantd::jinja
