#ifndef QUANTD_RUNTIME_TOKENIZER_CHARSMAP_H_
#define QUANTD_RUNTIME_TOKENIZER_CHARSMAP_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantd {

/// SentencePiece's compiled normalization rules ("precompiled_charsmap"): strings and what replaces
/// them. A little-endian u32 n, then n bytes of a double-array trie (Darts) that maps each string
/// to an offset, then the replacements, each ended by a NUL. Immutable, thread-safe.
class Charsmap {
 public:
  /// Errors: DATA_LOSS saying what is wrong.
  static absl::StatusOr<Charsmap> Parse(absl::string_view blob);

  struct Rule {
    size_t length;                  ///< bytes of the text that the rule replaces; at least 1
    absl::string_view replacement;  ///< valid UTF-8, maybe empty
  };
  /// The rule for the longest, or the shortest, string that `text` (valid UTF-8) begins with.
  std::optional<Rule> Longest(absl::string_view text) const { return Find(text, /*longest=*/true); }
  std::optional<Rule> Shortest(absl::string_view text) const {
    return Find(text, /*longest=*/false);
  }

  /// Bytes of the longest replacement.
  size_t longest_replacement() const { return longest_replacement_; }

 private:
  std::optional<Rule> Find(absl::string_view text, bool longest) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
  size_t longest_replacement_ = 0;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_CHARSMAP_H_
