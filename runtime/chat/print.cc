// How values are written: str() and repr() of operations.h.
#include <charconv>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/unicode.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd::jinja {
namespace {

// Python writes floats from 1e16 on and below 1e-4 with an exponent.
constexpr int kFixedDigits = 16, kFixedZeros = 4;

std::string EscapeForRepr(char32_t code, char quote) {
  switch (code) {
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  if (code == static_cast<char32_t>(quote)) return absl::StrCat("\\", std::string(1, quote));
  if (!IsPrintable(code)) {
    const uint32_t number = code;
    if (number < 0x100) return absl::StrFormat("\\x%02x", number);
    if (number < 0x10000) return absl::StrFormat("\\u%04x", number);
    return absl::StrFormat("\\U%08x", number);
  }
  std::string character;
  AppendCharacter(code, &character);
  return character;
}

void AppendStringRepr(const Text& text, TextBuilder* out) {
  const bool single = text.bytes.find('\'') != std::string::npos;
  const bool both = single && text.bytes.find('"') != std::string::npos;
  const char quote = single && !both ? '"' : '\'';
  const absl::string_view mark(&quote, 1);
  OutsideCursor outside(text);
  out->Append(mark);
  for (size_t at = 0; at < text.size() && !out->exhausted();) {
    const size_t length = CharacterBytes(text.bytes[at]);
    const char32_t code = DecodeUtf8(absl::string_view(text.bytes).substr(at, length));
    out->Append(EscapeForRepr(code, quote), outside.At(at));
    at += length;
  }
  out->Append(mark);
}

void AppendItems(const ListData& list, TextBuilder* out) {
  for (size_t i = 0; i < list.items.size() && !out->exhausted(); ++i) {
    if (i > 0) out->Append(", ");
    AppendRepr(list.items[i], out);
  }
}

void AppendListRepr(const Value& value, TextBuilder* out) {
  const ListData& list = *value.list();
  switch (list.type) {
    case ListType::kGenerator:
      out->Append("<generator object>");
      return;
    case ListType::kRange:
      out->Append(list.range);
      return;
    case ListType::kTuple:
      out->Append("(");
      AppendItems(list, out);
      out->Append(list.items.size() == 1 ? ",)" : ")");
      return;
    case ListType::kKeys:
    case ListType::kValues:
    case ListType::kItems:
      out->Append(absl::StrCat(TypeName(value), "(["));
      AppendItems(list, out);
      out->Append("])");
      return;
    case ListType::kList:
      break;
  }
  out->Append("[");
  AppendItems(list, out);
  out->Append("]");
}

void AppendDictRepr(const DictData& dict, TextBuilder* out) {
  out->Append("{");
  bool first = true;
  for (const auto& [key, value] : dict.entries) {
    if (out->exhausted()) return;
    if (!std::exchange(first, false)) out->Append(", ");
    AppendRepr(key, out);
    out->Append(": ");
    AppendRepr(value, out);
  }
  out->Append("}");
}

}  // namespace

std::string FloatText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  const absl::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), end, exponent);
  if (exponent >= kFixedDigits || exponent < -kFixedZeros) return std::string(text);
  const auto fixed =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed).ptr;
  std::string digits(buffer, fixed);
  if (digits.find('.') == std::string::npos) digits += ".0";
  return digits;
}

void AppendString(const Value& value, TextBuilder* out) {
  if (value.is(Kind::kString)) {
    out->Append(value.text());
  } else if (!value.is(Kind::kUndefined)) {
    AppendRepr(value, out);
  }
}

void AppendRepr(const Value& value, TextBuilder* out) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return out->Append("Undefined");
    case Kind::kNone:
      return out->Append("None");
    case Kind::kBool:
      return out->Append(value.boolean() ? "True" : "False");
    case Kind::kInt:
      return out->Append(absl::StrCat(value.integer()));
    case Kind::kFloat:
      return out->Append(FloatText(value.floating()));
    case Kind::kString:
      if (!value.markup()) return AppendStringRepr(value.text(), out);
      out->Append("Markup(");
      AppendStringRepr(value.text(), out);
      return out->Append(")");
    case Kind::kList:
      return AppendListRepr(value, out);
    case Kind::kDict:
      return AppendDictRepr(value.dict(), out);
    // Python writes addresses here, which no template can want.
    case Kind::kNamespace:
      return out->Append("<Namespace>");
    case Kind::kLoop:
      return out->Append("<LoopContext>");
    case Kind::kCallable:
      return out->Append(absl::StrCat("<", TypeName(value), " ", value.callable().name, ">"));
  }
}

absl::StatusOr<Value> ToString(const Value& value, Budget& budget) {
  if (value.is(Kind::kString)) return value;
  TextBuilder text(&budget);
  AppendString(value, &text);
  return FinishString(&text);
}

}  // namespace quantd::jinja
