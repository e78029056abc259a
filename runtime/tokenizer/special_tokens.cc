#include "runtime/tokenizer/special_tokens.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "runtime/tokenizer/unicode_classes.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

// The start of the last character of `text`, which is not empty; one byte where it is no UTF-8.
size_t LastCharacter(absl::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && text.size() - begin < 4 && (static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80)
    --begin;
  const Utf8Step step = NextUtf8(text.substr(begin));
  return step.valid && begin + step.length == text.size() ? begin : text.size() - 1;
}

// Whether the first character of `text` is of a class; what is no UTF-8 is of none.
bool BeginsWith(absl::string_view text, bool (*is_member)(char32_t)) {
  if (text.empty()) return false;
  const Utf8Step step = NextUtf8(text);
  return step.valid && is_member(DecodeUtf8(text.substr(0, step.length)));
}

bool EndsWith(absl::string_view text, bool (*is_member)(char32_t)) {
  return !text.empty() && BeginsWith(text.substr(LastCharacter(text)), is_member);
}

}  // namespace

SpecialTokens::SpecialTokens(std::vector<SpecialToken> tokens) : tokens_(std::move(tokens)) {
  absl::flat_hash_map<absl::string_view, int32_t> entry_of;
  std::vector<ByteTrie::Entry> texts;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const SpecialToken& token = tokens_[i];
    if (token.text.empty()) continue;
    const auto [entry, added] =
        entry_of.try_emplace(token.text, static_cast<int32_t>(entries_.size()));
    if (added) {
      entries_.emplace_back();
      texts.emplace_back(token.text, entry->second);
    }
    Entry& slots = entries_[entry->second];
    int32_t& slot = token.control ? slots.control : slots.user;
    if (slot < 0) slot = static_cast<int32_t>(i);
    const uint8_t first = static_cast<uint8_t>(token.text[0]);
    starts_[1][first] = true;
    if (!token.control) starts_[0][first] = true;
  }
  trie_ = ByteTrie(std::move(texts));
}

int32_t SpecialTokens::TokenAt(absl::string_view text, size_t control_bytes) const {
  int32_t longest = -1;
  uint32_t node = ByteTrie::kRoot;
  for (size_t at = 0; at < text.size() && trie_.Step(text[at], &node); ++at) {
    if (trie_.value(node) == ByteTrie::kNoValue) continue;
    const Entry& entry = entries_[trie_.value(node)];
    if (entry.control >= 0 && at < control_bytes) {
      longest = entry.control;
    } else if (entry.user >= 0) {
      longest = entry.user;
    }
  }
  return longest;
}

std::optional<SpecialTokens::Match> SpecialTokens::Find(absl::string_view text, size_t from,
                                                        bool with_control,
                                                        absl::Span<const TextRange> plain) const {
  const std::array<bool, 256>& starts = starts_[with_control ? 1 : 0];
  for (size_t at = from; at < text.size(); ++at) {
    if (!starts[static_cast<uint8_t>(text[at])]) continue;
    while (!plain.empty() && plain.front().end <= at) plain.remove_prefix(1);
    size_t control_end = with_control ? text.size() : 0;
    if (!plain.empty()) control_end = std::min(control_end, plain.front().begin);
    const int32_t index = TokenAt(text.substr(at), control_end < at ? 0 : control_end - at);
    if (index < 0) continue;
    const SpecialToken& token = tokens_[index];
    Match match = {at, at + token.text.size(), token.id, token.control};
    if (token.single_word && (EndsWith(text.substr(0, match.begin), IsWordCharacter) ||
                              BeginsWith(text.substr(match.end), IsWordCharacter))) {
      at = match.end - 1;
      continue;
    }
    while (token.lstrip && match.begin > from &&
           EndsWith(text.substr(from, match.begin - from), IsWhiteSpace)) {
      match.begin = from + LastCharacter(text.substr(from, match.begin - from));
    }
    while (token.rstrip && BeginsWith(text.substr(match.end), IsWhiteSpace)) {
      match.end += NextUtf8(text.substr(match.end)).length;
    }
    return match;
  }
  return std::nullopt;
}

}  // namespace quantd
