#ifndef QUANTD_RUNTIME_TOKENIZER_HF_TO_GGUF_H_
#define QUANTD_RUNTIME_TOKENIZER_HF_TO_GGUF_H_

#include "absl/status/statusor.h"
#include "runtime/tokenizer/gguf_vocabulary.h"
#include "runtime/tokenizer/hf_tokenizer_config.h"
#include "runtime/tokenizer/hf_vocabulary.h"

namespace quantd {

/// A tokenizer.json as GGUF describes tokenizers. Byte-level BPE becomes "gpt2", with the name of
/// the pre-tokenizer whose rule cuts texts by the same patterns. BPE over characters with bytes to
/// fall back to becomes "llama", whose merges follow from scores: a token's is the higher the
/// earlier merges lead to it, and the merges of the file must be all that these scores mean.
/// Errors: those of MakeHfTokenizer; UNIMPLEMENTED naming what GGUF does not have.
absl::StatusOr<GgufVocabulary> HfToGguf(const HfTokenizerFile& file,
                                        const HfTokenizerConfig& config);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_HF_TO_GGUF_H_
