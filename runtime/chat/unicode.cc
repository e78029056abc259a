#include "runtime/chat/unicode.h"

#include <clocale>
#include <cwctype>

#include "runtime/tokenizer/utf8.h"

namespace quantd::jinja {
namespace {

// The C library's character tables; the locale of the process plays no part. Null, and then only
// ASCII has case, where there is no such locale.
locale_t Utf8Locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

bool InClass(char32_t code, int (*ascii)(int), int (*wide)(wint_t, locale_t)) {
  if (code < 0x80) return ascii(static_cast<int>(code)) != 0;
  return Utf8Locale() != nullptr && wide(code, Utf8Locale()) != 0;
}

char32_t Map(char32_t code, int (*ascii)(int), wint_t (*wide)(wint_t, locale_t)) {
  if (code < 0x80) return static_cast<char32_t>(ascii(static_cast<int>(code)));
  return Utf8Locale() == nullptr ? code : static_cast<char32_t>(wide(code, Utf8Locale()));
}

int AsciiUpper(int c) { return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c; }
int AsciiLower(int c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; }
int AsciiIsUpper(int c) { return c >= 'A' && c <= 'Z'; }
int AsciiIsLower(int c) { return c >= 'a' && c <= 'z'; }
int AsciiIsAlpha(int c) { return AsciiIsUpper(c) || AsciiIsLower(c); }
int AsciiIsPrint(int c) { return c >= 0x20 && c < 0x7F; }

struct Range {
  char32_t first, last;
};
// Categories Cf and Co: formats and private use. The C library calls many of them printable.
constexpr Range kUnprintable[] = {
    {0xAD, 0xAD},       {0x600, 0x605},     {0x61C, 0x61C},     {0x6DD, 0x6DD},
    {0x70F, 0x70F},     {0x890, 0x891},     {0x8E2, 0x8E2},     {0x180E, 0x180E},
    {0x200B, 0x200F},   {0x202A, 0x202E},   {0x2060, 0x2064},   {0x2066, 0x206F},
    {0xE000, 0xF8FF},   {0xFEFF, 0xFEFF},   {0xFFF9, 0xFFFB},   {0x110BD, 0x110BD},
    {0x110CD, 0x110CD}, {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},
    {0xE0001, 0xE0001}, {0xE0020, 0xE007F}, {0xF0000, 0xFFFFD}, {0x100000, 0x10FFFD},
};

}  // namespace

size_t CharacterBytes(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  if (byte < 0xC0) return 1;
  return byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

size_t CountCharacters(absl::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (c & 0xC0) != 0x80;
  return count;
}

std::vector<size_t> CharacterOffsets(absl::string_view text) {
  std::vector<size_t> offsets;
  for (size_t at = 0; at < text.size(); at += CharacterBytes(text[at])) offsets.push_back(at);
  offsets.push_back(text.size());
  return offsets;
}

absl::string_view Shorten(absl::string_view text, size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (text[size] & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

size_t OffsetOfCharacter(absl::string_view text, size_t index) {
  size_t at = 0;
  for (; index > 0 && at < text.size(); --index) at += CharacterBytes(text[at]);
  return at;
}

bool IsSpace(char32_t code) {
  if (code < 0x80) return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20);
  return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
         code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

size_t SkipSpace(absl::string_view text, size_t begin) {
  while (begin < text.size()) {
    const size_t length = CharacterBytes(text[begin]);
    if (!IsSpace(DecodeUtf8(text.substr(begin, length)))) break;
    begin += length;
  }
  return begin;
}

size_t TrimSpaceEnd(absl::string_view text, size_t begin, size_t end) {
  while (end > begin) {
    size_t last = end - 1;
    while (last > begin && (text[last] & 0xC0) == 0x80) --last;
    if (!IsSpace(DecodeUtf8(text.substr(last, end - last)))) break;
    end = last;
  }
  return end;
}

char32_t ToUpper(char32_t code) { return Map(code, AsciiUpper, towupper_l); }
char32_t ToLower(char32_t code) { return Map(code, AsciiLower, towlower_l); }
bool IsUpper(char32_t code) { return InClass(code, AsciiIsUpper, iswupper_l); }
bool IsLower(char32_t code) { return InClass(code, AsciiIsLower, iswlower_l); }
bool IsAlpha(char32_t code) { return InClass(code, AsciiIsAlpha, iswalpha_l); }
bool IsPrintable(char32_t code) {
  if (code != ' ' && IsSpace(code)) return false;
  for (const Range& range : kUnprintable) {
    if (code >= range.first && code <= range.last) return false;
  }
  return InClass(code, AsciiIsPrint, iswprint_l);
}

}  // namespace quantd::jinja
