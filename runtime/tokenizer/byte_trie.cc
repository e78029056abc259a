#include "runtime/tokenizer/byte_trie.h"

#include <algorithm>

namespace quantd {
namespace {

// The entries [begin, end) share their first `depth` bytes, which lead to `node`.
struct Range {
  uint32_t node;
  size_t begin, end, depth;
};

}  // namespace

ByteTrie::ByteTrie(std::vector<Entry> entries) : nodes_(1), labels_(1, '\0') {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.first < b.first; });
  std::vector<Range> level = {{kRoot, 0, entries.size(), 0}}, next;
  for (; !level.empty(); level.swap(next)) {
    next.clear();
    for (const Range& range : level) {
      const uint32_t first_child = static_cast<uint32_t>(nodes_.size());
      size_t at = range.begin;
      // Texts that end here sort before those that go on.
      for (; at < range.end && entries[at].first.size() == range.depth; ++at) {
        int32_t& value = nodes_[range.node].value;
        if (range.depth > 0 && value == kNoValue) value = entries[at].second;
      }
      while (at < range.end) {
        const char label = entries[at].first[range.depth];
        size_t end = at + 1;
        while (end < range.end && entries[end].first[range.depth] == label) ++end;
        next.push_back({static_cast<uint32_t>(nodes_.size()), at, end, range.depth + 1});
        nodes_.emplace_back();
        labels_ += label;
        at = end;
      }
      nodes_[range.node].first_child = first_child;
      nodes_[range.node].children = static_cast<uint16_t>(nodes_.size() - first_child);
    }
  }
  for (uint32_t i = 0; i < nodes_[kRoot].children; ++i) {
    const uint32_t child = nodes_[kRoot].first_child + i;
    starts_[static_cast<uint8_t>(labels_[child])] = child;
  }
}

int32_t ByteTrie::Longest(absl::string_view text, size_t* length) const {
  int32_t longest = kNoValue;
  uint32_t node = kRoot;
  for (size_t at = 0; at < text.size() && Step(text[at], &node); ++at) {
    if (value(node) == kNoValue) continue;
    longest = value(node);
    *length = at + 1;
  }
  return longest;
}

}  // namespace quantd
