#ifndef QUANTD_RUNTIME_TOKENIZER_MERGE_TOKENIZER_H_
#define QUANTD_RUNTIME_TOKENIZER_MERGE_TOKENIZER_H_

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "runtime/tokenizer/merges.h"
#include "runtime/tokenizer/tokenizer.h"
#include "runtime/tokenizer/vocabulary.h"

namespace quantd {

/// What the two byte-pair tokenizers share: words become symbols, symbols are merged, what stays
/// no token goes through byte tokens or the unknown token. Immutable after Build, thread-safe.
class MergeTokenizer : public Tokenizer {
 protected:
  /// Buffers of one Encode call.
  struct Scratch {
    explicit Scratch(const MergeTable* merges) : merger(merges) {}
    Merger merger;
    std::vector<Symbol> symbols;
  };

  MergeTokenizer() { byte_ids_.fill(-1); }

  /// Cuts a word into the symbols that merging starts from.
  virtual void Symbolize(absl::string_view word, std::vector<Symbol>* symbols) const = 0;

  /// Appends the ids of one word. Words do not influence each other.
  void EncodeWord(absl::string_view word, Scratch* scratch, std::vector<int32_t>* ids) const;

  /// Takes over what every vocabulary has. `decode` gives the bytes of a normal, unused or
  /// user-defined token.
  using DecodeText = std::function<std::string(TokenType, absl::string_view)>;
  void TakeVocabulary(const Vocabulary& vocabulary, const DecodeText& decode);

  /// Finds the words that are a token as a whole, which then need no merging: every token that
  /// merging would arrive at, or simply every normal token (`unconditionally`: such vocabularies
  /// hold tokens that their own merges do not reach). Last step of a load.
  void IndexWholeWords(bool unconditionally);

  MergeTable merges_;
  std::array<int32_t, 256> byte_ids_;  // token of each single byte, or -1
  std::optional<int32_t> unknown_;

 private:
  void AppendBytes(absl::string_view bytes, std::vector<int32_t>* ids) const;
  void MergeWord(absl::string_view word, Scratch* scratch, std::vector<int32_t>* ids) const;

  absl::flat_hash_map<absl::string_view, int32_t> whole_words_;  // views into token_bytes_
  size_t longest_whole_word_ = 0;
  std::vector<int32_t> replacement_;  // ids of U+FFFD, or empty
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_MERGE_TOKENIZER_H_
