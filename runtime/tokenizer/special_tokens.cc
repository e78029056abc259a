#include "runtime/tokenizer/special_tokens.h"

#include <algorithm>

namespace quantd {

void SpecialTokens::Add(absl::string_view text, int32_t id, bool control) {
  if (text.empty()) return;
  uint64_t node = 0;
  for (const char c : text) {
    const uint64_t key = node << 8 | static_cast<uint8_t>(c);
    const auto [child, added] = children_.try_emplace(key, static_cast<uint32_t>(nodes_.size()));
    if (added) nodes_.emplace_back();
    node = child->second;
  }
  int32_t& slot = control ? nodes_[node].control_id : nodes_[node].user_id;
  if (slot < 0) slot = id;
  const uint8_t first = static_cast<uint8_t>(text[0]);
  starts_[1][first] = true;
  if (!control) starts_[0][first] = true;
}

std::optional<SpecialTokens::Match> SpecialTokens::MatchAt(absl::string_view text, size_t begin,
                                                           size_t control_end) const {
  std::optional<Match> longest;
  uint64_t node = 0;
  for (size_t at = begin; at < text.size(); ++at) {
    const auto child = children_.find(node << 8 | static_cast<uint8_t>(text[at]));
    if (child == children_.end()) break;
    node = child->second;
    const Node& found = nodes_[node];
    if (found.control_id >= 0 && at < control_end) {
      longest = Match{begin, at + 1 - begin, found.control_id, true};
    } else if (found.user_id >= 0) {
      longest = Match{begin, at + 1 - begin, found.user_id, false};
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
    const std::optional<Match> match = MatchAt(text, at, control_end);
    if (match.has_value()) return match;
  }
  return std::nullopt;
}

}  // namespace quantd
