#ifndef QUANTD_RUNTIME_TOKENIZER_SPECIAL_TOKENS_H_
#define QUANTD_RUNTIME_TOKENIZER_SPECIAL_TOKENS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/tokenizer/text_range.h"

namespace quantd {

/// The tokens that are cut out of a text before it is tokenized, as a byte trie: a search looks at
/// each position of the text once and at most at the longest token's length from there, however
/// many tokens there are. Immutable after the last Add; then thread-safe.
class SpecialTokens {
 public:
  struct Match {
    size_t begin, length;
    int32_t id;
    bool control;
  };

  SpecialTokens() : nodes_(1) {}

  /// Adds a token. An empty text is ignored; of two tokens with one text and kind the first wins.
  void Add(absl::string_view text, int32_t id, bool control);

  /// The leftmost occurrence at or after `from`, the longest token there. Control tokens are seen
  /// only if `with_control`, and only where they share no byte with `plain` (see EncodeOptions).
  std::optional<Match> Find(absl::string_view text, size_t from, bool with_control,
                            absl::Span<const TextRange> plain = {}) const;

 private:
  struct Node {
    int32_t user_id = -1, control_id = -1;
  };
  /// The longest token at `begin`; a control token only if it ends at or before `control_end`.
  std::optional<Match> MatchAt(absl::string_view text, size_t begin, size_t control_end) const;

  std::vector<Node> nodes_;                           // [0] is the root
  absl::flat_hash_map<uint64_t, uint32_t> children_;  // node << 8 | byte -> node
  // Bytes that start a token: [1] of any kind, [0] of a user-defined one.
  std::array<std::array<bool, 256>, 2> starts_ = {};
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_SPECIAL_TOKENS_H_
