#ifndef QUANTD_RUNTIME_TOKENIZER_SPECIAL_TOKENS_H_
#define QUANTD_RUNTIME_TOKENIZER_SPECIAL_TOKENS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/tokenizer/byte_trie.h"
#include "runtime/tokenizer/text_range.h"

namespace quantd {

/// A token that is cut out of a text before the text is tokenized.
struct SpecialToken {
  std::string text;
  int32_t id = -1;
  bool control = false;      ///< seen only where control tokens are recognized
  bool single_word = false;  ///< not next to a word character
  bool lstrip = false;       ///< takes the white space on its left with it
  bool rstrip = false;       ///< and on its right
};

/// Finds special tokens. A search looks at each position of the text once and at most at the
/// longest token's length from there, however many tokens there are. Immutable, thread-safe.
class SpecialTokens {
 public:
  struct Match {
    size_t begin, end;  ///< bytes of the text that it takes, white space included
    int32_t id;
    bool control;
  };

  /// A token with an empty text is ignored; of two with one text and kind the first wins.
  explicit SpecialTokens(std::vector<SpecialToken> tokens);

  /// The leftmost occurrence at or after `from`, the longest token there. Control tokens are seen
  /// only if `with_control`, and only where they share no byte with `plain` (see EncodeOptions).
  /// White space before `from` is not taken.
  std::optional<Match> Find(absl::string_view text, size_t from, bool with_control,
                            absl::Span<const TextRange> plain = {}) const;

 private:
  // Tokens of one text, as indices into tokens_ or -1.
  struct Entry {
    int32_t user = -1, control = -1;
  };
  /// The longest token that `text` begins with, or -1; a control token only if it has at most
  /// `control_bytes`.
  int32_t TokenAt(absl::string_view text, size_t control_bytes) const;

  std::vector<SpecialToken> tokens_;
  std::vector<Entry> entries_;
  ByteTrie trie_;  // of entries_
  // Bytes that start a token: [1] of any kind, [0] of one that is not control.
  std::array<std::array<bool, 256>, 2> starts_ = {};
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_SPECIAL_TOKENS_H_
