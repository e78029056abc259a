#include "runtime/chat/format.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/string_ops.h"
#include "runtime/chat/unicode.h"

namespace quantd::jinja {
namespace {

// Widest field; wider ones make no sense in a prompt.
constexpr size_t kMaxWidth = 1000;

struct Directive {
  bool left = false, zero = false;
  size_t width = 0;
  int precision = -1;
  char conversion = 's';
};

// Reads digits at *at.
absl::StatusOr<size_t> ReadNumber(absl::string_view format, size_t* at) {
  size_t number = 0;
  for (; *at < format.size() && absl::ascii_isdigit(static_cast<unsigned char>(format[*at]));
       ++*at) {
    number = number * 10 + static_cast<size_t>(format[*at] - '0');
    if (number > kMaxWidth) {
      return absl::InvalidArgumentError(absl::StrCat("a field is wider than ", kMaxWidth));
    }
  }
  return number;
}

// Reads what follows a '%' at *at, up to and with the conversion.
absl::StatusOr<Directive> ReadDirective(absl::string_view format, size_t* at) {
  Directive directive;
  for (; *at < format.size() && (format[*at] == '-' || format[*at] == '0'); ++*at) {
    (format[*at] == '-' ? directive.left : directive.zero) = true;
  }
  QUANTD_ASSIGN_OR_RETURN(directive.width, ReadNumber(format, at));
  if (*at < format.size() && format[*at] == '.') {
    ++*at;
    QUANTD_ASSIGN_OR_RETURN(const size_t precision, ReadNumber(format, at));
    directive.precision = static_cast<int>(precision);
  }
  if (*at == format.size()) return absl::InvalidArgumentError("incomplete format");
  directive.conversion = format[(*at)++];
  return directive;
}

// The value as the conversion writes it, without padding.
absl::StatusOr<Value> Convert(const Directive& directive, const Value& value, Budget& budget) {
  TextBuilder text(&budget);
  const char conversion = directive.conversion;
  if (conversion == 's' || conversion == 'r') {
    conversion == 's' ? AppendString(value, &text) : AppendRepr(value, &text);
    const bool safe = conversion == 's' && value.is(Kind::kString) && value.markup();
    QUANTD_ASSIGN_OR_RETURN(Value string, FinishString(&text, safe));
    if (directive.precision < 0) return string;
    TextBuilder cut(&budget);
    cut.Append(string.text(), 0,
               OffsetOfCharacter(string.bytes(), static_cast<size_t>(directive.precision)));
    return FinishString(&cut);
  }
  if (absl::string_view("dixf").find(conversion) == absl::string_view::npos) {
    return absl::InvalidArgumentError("the formats known here are %s, %r, %d, %i, %x, %f and %%");
  }
  if (!value.is_number()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "%", std::string(1, conversion), " format: a number is required, not ", TypeName(value)));
  }
  const int precision = directive.precision < 0 ? 6 : directive.precision;
  if (conversion == 'f') {
    text.Append(absl::StrFormat("%.*f", precision, value.as_double()));
    return FinishString(&text);
  }
  if (value.is(Kind::kFloat) && !(std::abs(value.floating()) < 9e18)) {
    return absl::InvalidArgumentError("a number does not fit 64 bits");
  }
  const int64_t number =
      value.is(Kind::kFloat) ? static_cast<int64_t>(value.floating()) : value.as_integer();
  if (conversion == 'x') {
    const uint64_t size =
        number < 0 ? -static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
    text.Append(absl::StrCat(number < 0 ? "-" : "", absl::Hex(size)));
  } else {
    text.Append(absl::StrCat(number));
  }
  return FinishString(&text);
}

void AppendPadded(const Directive& directive, const Value& value, TextBuilder* out) {
  const size_t length = CountCharacters(value.bytes());
  const size_t missing = directive.width > length ? directive.width - length : 0;
  const bool number = directive.conversion != 's' && directive.conversion != 'r';
  if (directive.zero && number && !directive.left) {
    const size_t sign = value.bytes()[0] == '-' ? 1 : 0;
    out->Append(value.text(), 0, sign);
    out->Append(std::string(missing, '0'));
    out->Append(value.text(), sign, value.text().size());
    return;
  }
  if (!directive.left) out->Append(std::string(missing, ' '));
  out->Append(value.text());
  if (directive.left) out->Append(std::string(missing, ' '));
}

absl::Status Unsupported() {
  return absl::InvalidArgumentError(
      "format() knows {}, {0} and {name}, with !s or !r, and nothing else");
}

// The value that the field "0", "name" or "" means; `next` counts the empty ones.
absl::StatusOr<const Value*> FieldValue(absl::string_view field, const Arguments& arguments,
                                        size_t* next) {
  if (field.find_first_of(".[:") != absl::string_view::npos) return Unsupported();
  size_t index = 0;
  if (field.empty() || absl::SimpleAtoi(field, &index)) {
    if (field.empty()) index = (*next)++;
    if (index < arguments.positional.size()) return &arguments.positional[index];
    return absl::InvalidArgumentError("format() has fewer arguments than places");
  }
  for (const auto& [name, value] : arguments.named) {
    if (name == field) return &value;
  }
  return absl::InvalidArgumentError(absl::StrCat("format() has no argument '", field, "'"));
}

}  // namespace

absl::StatusOr<Value> FormatPercent(const Value& format, const Value& values, Budget& budget) {
  const bool tuple = values.is(Kind::kList) && values.list()->type == ListType::kTuple;
  const absl::Span<const Value> items =
      tuple ? absl::MakeConstSpan(values.list()->items) : absl::MakeConstSpan(&values, 1);
  const absl::string_view bytes = format.bytes();
  TextBuilder result(&budget);
  size_t used = 0, at = 0;
  while (at < bytes.size() && !result.exhausted()) {
    const size_t percent = std::min(bytes.find('%', at), bytes.size());
    result.Append(format.text(), at, percent);
    if (percent == bytes.size()) break;
    at = percent + 1;
    QUANTD_ASSIGN_OR_RETURN(const Directive directive, ReadDirective(bytes, &at));
    if (directive.conversion == '%') {
      result.Append("%");
      continue;
    }
    if (used == items.size()) {
      return absl::InvalidArgumentError("not enough arguments for format string");
    }
    QUANTD_ASSIGN_OR_RETURN(Value value, Convert(directive, items[used++], budget));
    if (format.markup()) {
      QUANTD_ASSIGN_OR_RETURN(value, EscapeHtml(value, budget));
    }
    AppendPadded(directive, value, &result);
  }
  // What can be subscripted, other than a tuple or string, may be there for nothing, as in Python.
  const bool spare = values.is(Kind::kDict) || (values.is(Kind::kList) && !tuple);
  if (used < items.size() && !spare) {
    return absl::InvalidArgumentError("not all arguments converted during string formatting");
  }
  return FinishString(&result, format.markup());
}

absl::StatusOr<Value> FormatBraces(const Value& format, const Arguments& arguments,
                                   Budget& budget) {
  const absl::string_view bytes = format.bytes();
  TextBuilder result(&budget);
  size_t next = 0, at = 0;
  while (at < bytes.size() && !result.exhausted()) {
    const size_t brace = std::min(bytes.find_first_of("{}", at), bytes.size());
    result.Append(format.text(), at, brace);
    if (brace == bytes.size()) break;
    if (brace + 1 < bytes.size() && bytes[brace + 1] == bytes[brace]) {
      result.Append(format.text(), brace, brace + 1);
      at = brace + 2;
      continue;
    }
    const size_t end = bytes.find('}', brace);
    if (bytes[brace] == '}' || end == absl::string_view::npos) {
      return absl::InvalidArgumentError("a single brace in a format string");
    }
    absl::string_view field = bytes.substr(brace + 1, end - brace - 1);
    char conversion = 's';
    if (const size_t mark = field.find('!'); mark != absl::string_view::npos) {
      if (mark + 2 != field.size()) return Unsupported();
      conversion = field[mark + 1];
      field = field.substr(0, mark);
    }
    if (conversion != 's' && conversion != 'r') return Unsupported();
    QUANTD_ASSIGN_OR_RETURN(const Value* value, FieldValue(field, arguments, &next));
    TextBuilder written(&budget);
    conversion == 's' ? AppendString(*value, &written) : AppendRepr(*value, &written);
    const bool safe = value->is(Kind::kString) && value->markup();
    QUANTD_ASSIGN_OR_RETURN(Value string, FinishString(&written, safe));
    if (format.markup()) {
      QUANTD_ASSIGN_OR_RETURN(string, EscapeHtml(string, budget));
    }
    result.Append(string.text());
    at = end + 1;
  }
  return FinishString(&result, format.markup());
}

}  // namespace quantd::jinja
