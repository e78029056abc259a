#include "runtime/tokenizer/unicode_classes.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>

#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

struct CodeRange {
  char32_t first, last;
};

template <size_t count>
bool InRanges(const CodeRange (&ranges)[count], char32_t code) {
  return std::any_of(std::begin(ranges), std::end(ranges), [code](const CodeRange& range) {
    return code >= range.first && code <= range.last;
  });
}

// Beyond ASCII.
constexpr CodeRange kWhiteSpace[] = {{0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
                                     {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
                                     {0x205F, 0x205F}, {0x3000, 0x3000}};

// Alphabetic symbols: circled, squared and negative Latin letters.
constexpr CodeRange kLetterSymbols[] = {
    {0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};

// As published; the block that starts at 2B920 really starts at 2B820.
constexpr CodeRange kBertChinese[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},
                                      {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F},
                                      {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};

utf8proc_category_t Category(char32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code));
}

bool IsAsciiLetter(char32_t code) {
  return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z');
}

}  // namespace

bool IsWhiteSpace(char32_t code) {
  if (code < 0x80) return code == ' ' || (code >= '\t' && code <= '\r');
  return InRanges(kWhiteSpace, code);
}

bool IsNumeric(char32_t code) {
  if (code < 0x80) return code >= '0' && code <= '9';
  const utf8proc_category_t category = Category(code);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool IsPunctuation(char32_t code) {
  if (code < 0x80) {
    return code > ' ' && code < 0x7F && !IsAsciiLetter(code) && !IsNumeric(code);
  }
  const utf8proc_category_t category = Category(code);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool IsControl(char32_t code) {
  if (code == '\t' || code == '\n' || code == '\r') return false;
  switch (Category(code)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
      return true;
    default:
      return false;
  }
}

bool IsMark(char32_t code) {
  if (code < 0x300) return false;
  const utf8proc_category_t category = Category(code);
  return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
}

bool IsNonspacingMark(char32_t code) {
  return code >= 0x300 && Category(code) == UTF8PROC_CATEGORY_MN;
}

bool IsWordCharacter(char32_t code) {
  if (code < 0x80) return IsAsciiLetter(code) || IsNumeric(code) || code == '_';
  if (code == 0x200C || code == 0x200D) return true;  // Join_Control
  const utf8proc_category_t category = Category(code);
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) return true;
  return category == UTF8PROC_CATEGORY_PC || InRanges(kLetterSymbols, code);
}

bool IsBertChinese(char32_t code) { return InRanges(kBertChinese, code); }

size_t GraphemeLength(absl::string_view text) {
  absl::string_view rest = text;
  utf8proc_int32_t state = 0;
  auto last = static_cast<utf8proc_int32_t>(TakeCharacter(&rest));
  while (!rest.empty()) {
    absl::string_view after = rest;
    const auto next = static_cast<utf8proc_int32_t>(TakeCharacter(&after));
    if (utf8proc_grapheme_break_stateful(last, next, &state)) break;
    rest = after;
    last = next;
  }
  return text.size() - rest.size();
}

void AppendLowerCase(char32_t code, std::string* out) {
  if (code == 0x130) {
    out->append("i\xCC\x87");  // with a combining dot above
  } else if (code < 0x80) {
    out->push_back(static_cast<char>(code >= 'A' && code <= 'Z' ? code + ('a' - 'A') : code));
  } else {
    AppendCharacter(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code))),
                    out);
  }
}

}  // namespace quantd
