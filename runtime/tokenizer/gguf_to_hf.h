#ifndef QUANTD_RUNTIME_TOKENIZER_GGUF_TO_HF_H_
#define QUANTD_RUNTIME_TOKENIZER_GGUF_TO_HF_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/formats/gguf.h"

namespace quantd {

/// A tokenizer as a folder of Hugging Face holds it.
struct HfTokenizerText {
  std::string tokenizer_json;  ///< of tokenizer.json; "" if the file takes token ids only
  /// Of tokenizer_config.json, an object, yet without chat templates; "" as above.
  std::string tokenizer_config;
  std::optional<int32_t> bos, eos, padding;
  std::vector<int32_t> end_ids;  ///< end a generation, EOS first
  /// Texts that get other tokens from who reads the folder, each "FILE: KEY: what".
  std::vector<std::string> notes;
};

/// The tokenizer of a GGUF file, the inverse of HfToGguf: "gpt2" becomes byte-level BPE with the
/// patterns of its pre-tokenizer, "llama" BPE over characters with bytes to fall back to, whose
/// merges follow from the scores: a token's, of all that it can be cut into, come the earlier the
/// higher its score. transformers and Tokenizer::FromDirectory then give the same ids as
/// Tokenizer::FromGguf. Errors: those of Tokenizer::FromGguf; UNIMPLEMENTED naming the key for
/// another kind of model, or what a tokenizer.json cannot say.
absl::StatusOr<HfTokenizerText> GgufToHf(const GgufFile& file);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_GGUF_TO_HF_H_
