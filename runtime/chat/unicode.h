#ifndef QUANTD_RUNTIME_CHAT_UNICODE_H_
#define QUANTD_RUNTIME_CHAT_UNICODE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

// Characters as Python sees them. All texts here are valid UTF-8.
namespace quantd::jinja {

/// Bytes of the character that starts with `lead`.
size_t CharacterBytes(char lead);
/// Number of characters.
size_t CountCharacters(absl::string_view text);
/// Where each character begins, and last the size of the text.
std::vector<size_t> CharacterOffsets(absl::string_view text);
/// The text cut off after `size` bytes, or a little before, between two characters.
absl::string_view Shorten(absl::string_view text, size_t size);
/// Where the character of number `index` begins; the size of the text if there are fewer.
size_t OffsetOfCharacter(absl::string_view text, size_t index);

/// str.isspace() of one character.
bool IsSpace(char32_t code);
/// The part of `text` without white space at its start / end, as a range of bytes.
size_t SkipSpace(absl::string_view text, size_t begin);
size_t TrimSpaceEnd(absl::string_view text, size_t begin, size_t end);

/// Simple case mappings, one character to one (Python's also turn a few characters into several).
char32_t ToUpper(char32_t code);
char32_t ToLower(char32_t code);
/// Whether a character has case, and which.
bool IsUpper(char32_t code);
bool IsLower(char32_t code);
bool IsAlpha(char32_t code);
/// str.isprintable() of one character, as far as the C library knows it.
bool IsPrintable(char32_t code);

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_UNICODE_H_
