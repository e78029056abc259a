#ifndef QUANTD_RUNTIME_TOKENIZER_GGUF_TOKENIZERS_H_
#define QUANTD_RUNTIME_TOKENIZER_GGUF_TOKENIZERS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "runtime/formats/gguf.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

// One reader for each value of tokenizer.ggml.model. Errors: DATA_LOSS naming file and key;
// UNIMPLEMENTED naming the pre-tokenizers known.

/// "llama": SentencePiece BPE; see sentencepiece.h.
absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufLlama(const GgufFile& file);

/// "t5": SentencePiece unigram, with normalization rules.
absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufT5(const GgufFile& file);

/// "gpt2": byte-level BPE as of GPT-2 (Radford et al. 2019): a pre-tokenizer cuts the text into
/// words, and the bytes of a word are joined in the order of the merge list. The file spells bytes
/// in the byte alphabet; here tokens are kept as the bytes they stand for. A byte for which the
/// vocabulary has neither a token nor an unknown token is encoded as U+FFFD, and dropped where that
/// has no tokens either.
absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufGpt2(const GgufFile& file);

/// "bert": WordPiece. The file spells a token that begins a word with U+2581 in front of it.
absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufBert(const GgufFile& file);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_GGUF_TOKENIZERS_H_
