#include "runtime/tokenizer/charsmap.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

// Real rules have at most some twenty bytes on either side.
constexpr size_t kLongestRule = 64;
constexpr size_t kLongestReplacement = 128;

uint32_t ReadU32(absl::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

// The fields of a unit of the trie.
bool HasLeaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t Label(uint32_t unit) { return unit & 0x800000FF; }
uint32_t Offset(uint32_t unit) { return unit >> 10 << ((unit & 0x200) >> 6); }
uint32_t Value(uint32_t unit) { return unit & 0x7FFFFFFF; }

bool StartsCharacter(char byte) { return (static_cast<uint8_t>(byte) & 0xC0) != 0x80; }

}  // namespace

absl::StatusOr<Charsmap> Charsmap::Parse(absl::string_view blob) {
  if (blob.size() < 4) {
    return absl::DataLossError(absl::StrCat(blob.size(), " bytes; at least 4 are needed"));
  }
  const uint32_t trie_bytes = ReadU32(blob);
  blob.remove_prefix(4);
  if (trie_bytes > blob.size() || trie_bytes % 4 != 0 || trie_bytes == 0) {
    return absl::DataLossError(absl::StrCat("a trie of ", trie_bytes, " bytes in ", blob.size()));
  }
  Charsmap map;
  for (size_t at = 0; at < trie_bytes; at += 4) map.units_.push_back(ReadU32(blob.substr(at)));
  const absl::string_view replacements = blob.substr(trie_bytes);
  for (const absl::string_view text : absl::StrSplit(replacements, '\0')) {
    if (text.size() > kLongestReplacement) {
      return absl::DataLossError(absl::StrCat("a replacement of ", text.size(), " bytes; at most ",
                                              kLongestReplacement, " are read"));
    }
    map.longest_replacement_ = std::max(map.longest_replacement_, text.size());
    if (!IsUtf8(text)) return absl::DataLossError("a replacement is no UTF-8");
  }
  map.replacements_.assign(replacements.data(), replacements.size());
  return map;
}

std::optional<Charsmap::Rule> Charsmap::Find(absl::string_view text, bool longest) const {
  std::optional<Rule> found;
  uint32_t node = Offset(units_[0]);
  for (size_t at = 0; at < std::min(text.size(), kLongestRule); ++at) {
    const uint32_t byte = static_cast<uint8_t>(text[at]);
    node ^= byte;
    if (node >= units_.size() || Label(units_[node]) != byte) break;
    const bool leaf = HasLeaf(units_[node]);
    node ^= Offset(units_[node]);
    if (!leaf || node >= units_.size()) continue;
    const size_t offset = Value(units_[node]), end = at + 1;
    // A broken trie must not cut characters.
    if (offset >= replacements_.size() || !StartsCharacter(replacements_[offset])) continue;
    if (end < text.size() && !StartsCharacter(text[end])) continue;
    found = Rule{end, replacements_.c_str() + offset};
    if (!longest) break;
  }
  return found;
}

}  // namespace quantd
