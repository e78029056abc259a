#ifndef QUANTD_RUNTIME_TOKENIZER_WORDPIECE_MODEL_H_
#define QUANTD_RUNTIME_TOKENIZER_WORDPIECE_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/tokenizer/byte_trie.h"
#include "runtime/tokenizer/word_model.h"

namespace quantd {

/// A WordPiece vocabulary (Schuster and Nakajima 2012). Texts are copied.
struct WordPieceRules {
  std::vector<ByteTrie::Entry> starting;    ///< tokens that begin a word: text, id
  std::vector<ByteTrie::Entry> continuing;  ///< tokens within a word, without their prefix
  size_t longest_word = 100;                ///< characters; a longer word is unknown
  int32_t unknown = 0;
};

/// Cuts a word from the left into the longest tokens; a word that cannot be cut up wholly is the
/// unknown token. Linear in the word times the longest token.
class WordPieceModel final : public WordModel {
 public:
  explicit WordPieceModel(WordPieceRules rules)
      : starting_(std::move(rules.starting)),
        continuing_(std::move(rules.continuing)),
        longest_word_(rules.longest_word),
        unknown_(rules.unknown) {}
  std::unique_ptr<Encoder> NewEncoder() const override;

 private:
  class WordPieceEncoder;

  const ByteTrie starting_, continuing_;
  const size_t longest_word_;
  const int32_t unknown_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_WORDPIECE_MODEL_H_
