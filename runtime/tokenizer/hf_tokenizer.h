#ifndef QUANTD_RUNTIME_TOKENIZER_HF_TOKENIZER_H_
#define QUANTD_RUNTIME_TOKENIZER_HF_TOKENIZER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "runtime/tokenizer/hf_tokenizer_config.h"
#include "runtime/tokenizer/hf_vocabulary.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

/// The tokenizer of a tokenizer.json. It does what the Hugging Face package does with the file, but
/// for these: texts are never cut or padded, control tokens are recognized only where that is asked
/// for and come out of no other text, and the unknown token decodes to U+FFFD. Errors: DATA_LOSS
/// naming file and field; UNIMPLEMENTED naming the kind of a part and those that are known.
absl::StatusOr<std::unique_ptr<Tokenizer>> MakeHfTokenizer(const HfTokenizerFile& file,
                                                           const HfTokenizerConfig& config);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_HF_TOKENIZER_H_
