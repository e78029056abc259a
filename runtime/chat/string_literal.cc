#include "runtime/chat/string_literal.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd::jinja {
namespace {

struct SimpleEscape {
  char letter, stands_for;
};
constexpr SimpleEscape kSimple[] = {{'\\', '\\'}, {'\'', '\''}, {'"', '"'},  {'a', '\a'},
                                    {'b', '\b'},  {'f', '\f'},  {'n', '\n'}, {'r', '\r'},
                                    {'t', '\t'},  {'v', '\v'}};

// Appends the character whose number stands in exactly `digits` hexadecimal digits at *at.
absl::Status AppendHex(absl::string_view literal, size_t digits, size_t* at, std::string* text) {
  const absl::string_view number = literal.substr(*at, digits);
  uint32_t code = 0;
  const char* end = number.data() + number.size();
  const auto read = std::from_chars(number.data(), end, code, 16);
  if (number.size() < digits || read.ec != std::errc() || read.ptr != end) {
    return absl::InvalidArgumentError("a string has an incomplete escape");
  }
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
    return absl::InvalidArgumentError("a string has an escape that is no character");
  }
  AppendCharacter(code, text);
  *at += digits;
  return absl::OkStatus();
}

void AppendOctal(absl::string_view literal, size_t* at, std::string* text) {
  char32_t code = 0;
  for (int i = 0; i < 3 && *at < literal.size(); ++i, ++*at) {
    const char c = literal[*at];
    if (c < '0' || c > '7') break;
    code = code * 8 + static_cast<char32_t>(c - '0');
  }
  AppendCharacter(code, text);
}

// Resolves the escape whose letter stands at *at.
absl::Status AppendEscape(absl::string_view literal, size_t* at, std::string* text) {
  const char letter = literal[*at];
  const auto simple = std::find_if(std::begin(kSimple), std::end(kSimple),
                                   [&](const SimpleEscape& e) { return e.letter == letter; });
  if (simple != std::end(kSimple)) {
    text->push_back(simple->stands_for);
    ++*at;
    return absl::OkStatus();
  }
  if (letter >= '0' && letter <= '7') {
    AppendOctal(literal, at, text);
    return absl::OkStatus();
  }
  ++*at;
  switch (letter) {
    case '\n':
      return absl::OkStatus();
    case 'x':
      return AppendHex(literal, 2, at, text);
    case 'u':
      return AppendHex(literal, 4, at, text);
    case 'U':
      return AppendHex(literal, 8, at, text);
    case 'N':
      return absl::InvalidArgumentError("escapes by the name of a character are not supported");
    default:
      text->push_back('\\');
      text->push_back(letter);
      return absl::OkStatus();
  }
}

}  // namespace

absl::Status Unescape(absl::string_view literal, std::string* text) {
  for (size_t at = 0; at < literal.size();) {
    if (literal[at] != '\\' || at + 1 == literal.size()) {
      text->push_back(literal[at++]);
      continue;
    }
    ++at;
    QUANTD_RETURN_IF_ERROR(AppendEscape(literal, &at, text));
  }
  return absl::OkStatus();
}

}  // namespace quantd::jinja
