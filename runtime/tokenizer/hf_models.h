#ifndef QUANTD_RUNTIME_TOKENIZER_HF_MODELS_H_
#define QUANTD_RUNTIME_TOKENIZER_HF_MODELS_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/tokenizer/hf_pre_tokenizers.h"
#include "runtime/tokenizer/hf_tokens.h"
#include "runtime/tokenizer/hf_vocabulary.h"
#include "runtime/tokenizer/word_model.h"

namespace quantd {

/// "model" of a tokenizer.json.
struct HfModel {
  std::string name;  ///< its kind
  std::unique_ptr<const WordModel> model;
  std::optional<int32_t> unknown;
  bool byte_fallback = false;  ///< tokens "<0x1F>" stand for bytes
};

/// Reads the model. Its words are those that *pre_tokenizer makes, which gets back the step that
/// spells bytes if the model cannot work on the bytes themselves. Control tokens are left out of
/// the model, so that no text becomes one. Dropout is a matter of training and ignored.
/// Errors: DATA_LOSS naming the field: a merge whose parts or result are no tokens, an unknown
/// token that is none, bytes that have no token; UNIMPLEMENTED naming the kind.
absl::StatusOr<HfModel> ReadHfModel(const HfTokenizerFile& file, const HfTokens& tokens,
                                    HfPreTokenizer* pre_tokenizer);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_HF_MODELS_H_
