#ifndef QUANTD_RUNTIME_TOKENIZER_UNIGRAM_MODEL_H_
#define QUANTD_RUNTIME_TOKENIZER_UNIGRAM_MODEL_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/tokenizer/byte_trie.h"
#include "runtime/tokenizer/word_model.h"

namespace quantd {

/// A unigram vocabulary (Kudo 2018): the tokens that text is cut into, each with a score, and what
/// stands for characters that are in none.
struct UnigramRules {
  UnigramRules() { byte_tokens.fill(-1); }

  struct Piece {
    absl::string_view text;  ///< valid UTF-8, not empty; copied
    int32_t id;
    double score;  ///< logarithm of a probability
  };
  std::vector<Piece> pieces;
  double lowest_score = 0;  ///< of the vocabulary; unknown characters score 10 less
  /// A run of unknown characters becomes its bytes, if all bytes have a token, else this token;
  /// with neither it is lost.
  std::array<int32_t, 256> byte_tokens;  ///< or -1
  std::optional<int32_t> unknown;
};

/// Cuts a word into the tokens with the highest sum of scores (Viterbi over a trie): linear in the
/// word times the longest token. Of equal sums the one found first, from the left, stays.
class UnigramModel final : public WordModel {
 public:
  explicit UnigramModel(const UnigramRules& rules);
  std::unique_ptr<Encoder> NewEncoder() const override;

 private:
  class UnigramEncoder;

  ByteTrie trie_;  // text -> index into ids_, scores_
  std::vector<int32_t> ids_;
  std::vector<double> scores_;
  double unknown_score_;
  std::array<int32_t, 256> byte_tokens_;
  bool all_bytes_;  // each has a token
  std::optional<int32_t> unknown_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_UNIGRAM_MODEL_H_
