#ifndef QUANTD_RUNTIME_TOKENIZER_UTF8_H_
#define QUANTD_RUNTIME_TOKENIZER_UTF8_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace quantd {

inline constexpr char kReplacementCharacter[] = "\xEF\xBF\xBD";  ///< U+FFFD

/// What stands at the start of some bytes.
struct Utf8Step {
  size_t length;   ///< bytes of the character, or of the ill-formed part; at least 1
  bool valid;      ///< a whole, well-formed character
  bool truncated;  ///< not valid, but more bytes could complete it
};

/// Examines the first character of `bytes` (not empty). Ill-formed input is cut into "maximal
/// subparts": the longest prefix of a well-formed sequence, or one byte when there is none
/// (Unicode 15, section 3.9, table 3-7).
Utf8Step NextUtf8(absl::string_view bytes);

/// The code point of a well-formed character.
char32_t DecodeUtf8(absl::string_view character);

/// Takes the first character off `text`, which is not empty; an ill-formed part counts as U+FFFD.
char32_t TakeCharacter(absl::string_view* text);

/// Appends the UTF-8 of a code point that is no surrogate.
void AppendCharacter(char32_t code, std::string* out);

bool IsUtf8(absl::string_view bytes);

/// Appends `bytes` to *out with every ill-formed part replaced by U+FFFD, and returns how many
/// bytes were consumed. With `at_end` false a truncated character at the end is left unconsumed.
size_t AppendUtf8(absl::string_view bytes, bool at_end, std::string* out);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_UTF8_H_
