#ifndef QUANTD_RUNTIME_TOKENIZER_BYTE_ALPHABET_H_
#define QUANTD_RUNTIME_TOKENIZER_BYTE_ALPHABET_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace quantd {

// The alphabet by which byte-level vocabularies (GPT-2) spell bytes as printable characters: those
// of Latin-1 that are printable are their own byte, the other bytes are numbered from U+0100 on.

/// Appends the spelling of each byte.
void AppendSpelledBytes(absl::string_view bytes, std::string* out);

/// The bytes that a token's text stands for; what is not of the alphabet stands for itself.
std::string BytesOfSpelling(absl::string_view text);

/// The same, but nullopt when a character is not of the alphabet.
std::optional<std::string> BytesOfStrictSpelling(absl::string_view text);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_BYTE_ALPHABET_H_
