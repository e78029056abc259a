// The filters that make one number, or choose a value.
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/builtin.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/unicode.h"

namespace quantd::jinja {
namespace {

// Numbers of more digits are taken for no number.
constexpr size_t kMaxNumber = 400;

absl::StatusOr<Value> Default(Runtime&, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("default", given, {"default_value", "boolean"}));
  const bool replace = self.is(Kind::kUndefined) || (arguments.Flag(1, false) && !Truthy(self));
  if (!replace) return self;
  return arguments.has(0) ? *arguments.at(0) : MakeString("");
}

// The text of a number as Python's int() and float() take it: without white space around and
// underscores between digits.
std::string NumberText(const Value& string) {
  const std::string& bytes = string.bytes();
  const size_t begin = SkipSpace(bytes, 0);
  const size_t end = TrimSpaceEnd(bytes, begin, bytes.size());
  if (end - begin > kMaxNumber) return "";
  return absl::StrReplaceAll(absl::string_view(bytes).substr(begin, end - begin), {{"_", ""}});
}

std::optional<int64_t> ParseInteger(std::string text, int64_t base) {
  if (base < 2 || base > 36) return std::nullopt;
  if (!text.empty() && text[0] == '+') text.erase(0, 1);
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number, static_cast<int>(base));
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return number;
}

std::optional<double> ParseFloat(const std::string& text) {
  double number = 0;
  // SimpleAtod takes hexadecimal numbers, too.
  if (text.find_first_of("xX") != std::string::npos || !absl::SimpleAtod(text, &number)) {
    return std::nullopt;
  }
  return number;
}

std::optional<int64_t> Truncate(double number) {
  if (!(std::abs(number) < 9.2e18)) return std::nullopt;
  return static_cast<int64_t>(number);
}

absl::StatusOr<Value> AsInteger(Runtime&, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("int", given, {"default", "base"}));
  QUANTD_ASSIGN_OR_RETURN(const int64_t base, arguments.Integer(1, 10));
  if (self.is(Kind::kUndefined)) return UndefinedError(self);
  std::optional<int64_t> number;
  if (self.is(Kind::kFloat)) {
    number = Truncate(self.floating());
  } else if (self.is_number()) {
    number = self.as_integer();
  } else if (self.is(Kind::kString)) {
    const std::string text = NumberText(self);
    number = ParseInteger(text, base);
    const std::optional<double> real = ParseFloat(text);
    if (!number.has_value() && real.has_value()) number = Truncate(*real);
  }
  if (number.has_value()) return Value::Int(*number);
  return arguments.has(0) ? *arguments.at(0) : Value::Int(0);
}

absl::StatusOr<Value> AsFloat(Runtime&, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments, BoundArguments::Bind("float", given, {"default"}));
  if (self.is(Kind::kUndefined)) return UndefinedError(self);
  if (self.is_number()) return Value::Float(self.as_double());
  if (self.is(Kind::kString)) {
    const std::optional<double> number = ParseFloat(NumberText(self));
    if (number.has_value()) return Value::Float(*number);
  }
  return arguments.has(0) ? *arguments.at(0) : Value::Float(0);
}

absl::Status NeedNumber(const char* filter, const Value& value) {
  if (value.is_number()) return absl::OkStatus();
  if (value.is(Kind::kUndefined)) return UndefinedError(value);
  return absl::InvalidArgumentError(
      absl::StrCat(filter, ": bad operand type '", TypeName(value), "'"));
}

absl::StatusOr<Value> Abs(Runtime&, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("abs", given, {}).status());
  QUANTD_RETURN_IF_ERROR(NeedNumber("abs", self));
  if (self.is(Kind::kFloat)) return Value::Float(std::abs(self.floating()));
  return self.as_integer() < 0 ? Negate(self) : Value::Int(self.as_integer());
}

absl::StatusOr<Value> Round(Runtime&, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("round", given, {"precision", "method"}));
  QUANTD_RETURN_IF_ERROR(NeedNumber("round", self));
  QUANTD_ASSIGN_OR_RETURN(const int64_t precision, arguments.Integer(0, 0));
  QUANTD_ASSIGN_OR_RETURN(const Text* method, arguments.String(1));
  if (precision < 0 || precision > 15) {
    return absl::InvalidArgumentError("round: the precision must be 0 to 15");
  }
  const double value = self.as_double();
  if (method == nullptr || method->bytes == "common") {
    if (!self.is(Kind::kFloat)) return Value::Int(self.as_integer());
    if (!std::isfinite(value)) return self;
    // printf rounds the exact value, halves to even, as Python does.
    const std::string text = absl::StrFormat("%.*f", static_cast<int>(precision), value);
    return Value::Float(std::strtod(text.c_str(), nullptr));
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (method->bytes == "ceil") return Value::Float(std::ceil(value * scale) / scale);
  if (method->bytes == "floor") return Value::Float(std::floor(value * scale) / scale);
  return absl::InvalidArgumentError("method must be common, ceil or floor");
}

constexpr Builtin kFilters[] = {
    {"abs", Abs},       {"d", Default},     {"default", Default},
    {"float", AsFloat}, {"int", AsInteger}, {"round", Round},
};

}  // namespace

absl::Span<const Builtin> ScalarFilters() { return kFilters; }

}  // namespace quantd::jinja
