#ifndef QUANTD_RUNTIME_TOKENIZER_UNICODE_CLASSES_H_
#define QUANTD_RUNTIME_TOKENIZER_UNICODE_CLASSES_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace quantd {

// Classes of code points, by the names that tokenizers give them. Categories are those of the
// Unicode version of libutf8proc; a code point that a later version assigns counts as unassigned.

/// Property White_Space.
bool IsWhiteSpace(char32_t code);
/// Category N: digits, number letters, other numbers.
bool IsNumeric(char32_t code);
/// Category P, and the ASCII symbols that people call punctuation ($ + < = > ^ ` | ~).
bool IsPunctuation(char32_t code);
/// Controls, formats and private use (Cc, Cf, Cs, Co), but for tab, line feed and return.
bool IsControl(char32_t code);
/// Category M: combining marks.
bool IsMark(char32_t code);
/// Category Mn: marks that take no room, such as accents.
bool IsNonspacingMark(char32_t code);
/// What \w stands for (UTS #18): letters, marks, decimal digits, connectors.
bool IsWordCharacter(char32_t code);
/// The blocks of Chinese characters that BERT puts spaces around.
bool IsBertChinese(char32_t code);

/// Bytes of the grapheme cluster (UAX #29, extended) that `text`, valid UTF-8 and not empty, begins
/// with.
size_t GraphemeLength(absl::string_view text);

/// Appends the lower case of a code point on its own (SpecialCasing without conditions): one code
/// point, two for U+0130.
void AppendLowerCase(char32_t code, std::string* out);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_UNICODE_CLASSES_H_
