#ifndef QUANTD_RUNTIME_TOKENIZER_SPM_TOKENIZER_H_
#define QUANTD_RUNTIME_TOKENIZER_SPM_TOKENIZER_H_

#include <array>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "runtime/tokenizer/merge_tokenizer.h"

namespace quantd {

/// SentencePiece BPE (Kudo and Richardson 2018), GGUF model "llama": characters are joined while
/// their concatenation is a token, the best score first; characters without a token become byte
/// tokens. In the file a space is spelled U+2581; here tokens are kept as the bytes they stand for.
/// Immutable, thread-safe. Unused tokens are decoded but never produced.
class SpmTokenizer final : public MergeTokenizer {
 public:
  /// Errors: DATA_LOSS naming file and key.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Create(const GgufFile& file);

 private:
  SpmTokenizer() { ascii_.fill(-1); }
  void EncodeText(absl::string_view text, bool first, std::vector<int32_t>* ids) const override;
  void Symbolize(absl::string_view word, std::vector<Symbol>* symbols) const override;

  /// Derives the merges from the tokens: each way to cut a token in two that are symbols is one.
  void BuildMerges(const std::vector<float>& scores);
  void CutToken(int32_t id, uint32_t rank,
                const absl::flat_hash_map<absl::string_view, int32_t>& tokens);
  int32_t& CharacterSymbol(absl::string_view character);

  // Symbol of each character that occurs in a token: the token of that text, or a number past the
  // vocabulary for one that has none of its own.
  std::array<int32_t, 128> ascii_;
  absl::flat_hash_map<uint32_t, int32_t> characters_;
  int32_t next_symbol_ = 0;
  // No token holds a space after something else, so no merge reaches across that boundary and the
  // stretches between are words of their own.
  bool words_start_at_spaces_ = true;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_SPM_TOKENIZER_H_
