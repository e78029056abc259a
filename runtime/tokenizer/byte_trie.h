#ifndef QUANTD_RUNTIME_TOKENIZER_BYTE_TRIE_H_
#define QUANTD_RUNTIME_TOKENIZER_BYTE_TRIE_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace quantd {

/// A set of byte strings with a number each, to be walked byte by byte: how tokens are found in a
/// text. The children of a node lie next to each other. Immutable, thread-safe.
class ByteTrie {
 public:
  static constexpr uint32_t kRoot = 0;
  static constexpr int32_t kNoValue = -1;

  using Entry = std::pair<absl::string_view, int32_t>;  ///< text and its number, not negative
  /// Of two entries with one text the first counts; empty texts are left out. The texts are copied.
  explicit ByteTrie(std::vector<Entry> entries = {});

  /// From `node` along `byte`. False when nothing continues that way.
  bool Step(char byte, uint32_t* node) const {
    if (*node == kRoot) {
      *node = starts_[static_cast<uint8_t>(byte)];
      return *node != kRoot;
    }
    const Node& from = nodes_[*node];
    if (from.children == 0) return false;
    const char* labels = labels_.data() + from.first_child;
    const void* found = std::memchr(labels, byte, from.children);
    if (found == nullptr) return false;
    *node = from.first_child + static_cast<uint32_t>(static_cast<const char*>(found) - labels);
    return true;
  }
  /// The number of the text that ends at `node`, or kNoValue.
  int32_t value(uint32_t node) const { return nodes_[node].value; }

  /// Whether a text begins with `byte`.
  bool Starts(char byte) const { return starts_[static_cast<uint8_t>(byte)] != kRoot; }

  /// The longest text that `text` begins with: its number and, in *length, its bytes. kNoValue when
  /// there is none.
  int32_t Longest(absl::string_view text, size_t* length) const;

 private:
  struct Node {
    uint32_t first_child = 0;
    uint16_t children = 0;
    int32_t value = kNoValue;
  };
  std::vector<Node> nodes_;
  std::string labels_;                     // [node]: the byte that leads to it
  std::array<uint32_t, 256> starts_ = {};  // children of the root by byte, or kRoot
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_BYTE_TRIE_H_
