#include "runtime/tokenizer/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

constexpr size_t kAlphabetEnd = 0x144;

struct Alphabet {
  std::array<int16_t, kAlphabetEnd> byte_of;  // [character], or -1
  std::array<std::string, 256> spelling;      // [byte]
};

const Alphabet& GetAlphabet() {
  static const Alphabet alphabet = [] {
    Alphabet result;
    result.byte_of.fill(-1);
    size_t next = 0x100;
    for (size_t byte = 0; byte < 256; ++byte) {
      const bool printable =
          (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      const size_t character = printable ? byte : next++;
      result.byte_of[character] = static_cast<int16_t>(byte);
      AppendCharacter(static_cast<char32_t>(character), &result.spelling[byte]);
    }
    return result;
  }();
  return alphabet;
}

// Appends the bytes of `text`; with `strict`, stops and gives false at a foreign character.
bool AppendBytes(absl::string_view text, bool strict, std::string* bytes) {
  const Alphabet& alphabet = GetAlphabet();
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = NextUtf8(text.substr(at));
    const absl::string_view character = text.substr(at, step.length);
    const char32_t code = step.valid ? DecodeUtf8(character) : kAlphabetEnd;
    if (code < kAlphabetEnd && alphabet.byte_of[code] >= 0) {
      bytes->push_back(static_cast<char>(alphabet.byte_of[code]));
    } else if (strict) {
      return false;
    } else {
      bytes->append(character.data(), character.size());
    }
    at += step.length;
  }
  return true;
}

}  // namespace

void AppendSpelledBytes(absl::string_view bytes, std::string* out) {
  const Alphabet& alphabet = GetAlphabet();
  for (const char c : bytes) *out += alphabet.spelling[static_cast<uint8_t>(c)];
}

std::string BytesOfSpelling(absl::string_view text) {
  std::string bytes;
  AppendBytes(text, /*strict=*/false, &bytes);
  return bytes;
}

std::optional<std::string> BytesOfStrictSpelling(absl::string_view text) {
  std::string bytes;
  if (!AppendBytes(text, /*strict=*/true, &bytes)) return std::nullopt;
  return bytes;
}

}  // namespace quantd
