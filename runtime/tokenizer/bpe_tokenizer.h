#ifndef QUANTD_RUNTIME_TOKENIZER_BPE_TOKENIZER_H_
#define QUANTD_RUNTIME_TOKENIZER_BPE_TOKENIZER_H_

#include <memory>
#include <string>
#include <vector>

#include "runtime/tokenizer/merge_tokenizer.h"
#include "runtime/tokenizer/pre_tokenizer.h"

namespace quantd {

/// Byte-level BPE as of GPT-2 (Radford et al. 2019), GGUF model "gpt2": a pre-tokenizer cuts the
/// text into words, and the bytes of a word are joined in the order of the merge list. The file
/// spells each byte as a printable character; here tokens are kept as the bytes they stand for.
/// Immutable, thread-safe. A byte for which the vocabulary has neither a token nor an unknown
/// token is encoded as U+FFFD, and dropped where that has no tokens either.
class BpeTokenizer final : public MergeTokenizer {
 public:
  /// Errors: DATA_LOSS naming file and key; UNIMPLEMENTED naming the pre-tokenizers known.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Create(const GgufFile& file);

 private:
  BpeTokenizer() = default;
  void EncodeText(absl::string_view text, bool first, std::vector<int32_t>* ids) const override;
  void Symbolize(absl::string_view word, std::vector<Symbol>* symbols) const override;

  void FindByteTokens(const Vocabulary& vocabulary);
  absl::Status ReadMerges(const GgufFile& file, const Vocabulary& vocabulary);

  std::unique_ptr<PreTokenizer> pre_;
};

/// The bytes that the token text of a byte-level vocabulary stands for: each character of GPT-2's
/// alphabet is a byte, what is not of it stands for itself.
std::string BytesOfBpeText(absl::string_view text);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_BPE_TOKENIZER_H_
