#ifndef QUANTD_RUNTIME_TOKENIZER_HF_TOKENIZER_CONFIG_H_
#define QUANTD_RUNTIME_TOKENIZER_HF_TOKENIZER_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/formats/json_document.h"
#include "runtime/formats/model_directory.h"
#include "runtime/tokenizer/hf_tokens.h"

namespace quantd {

/// What files beside a tokenizer say about it.
struct HfTokenizerConfig {
  // Of tokenizer_config.json and, what it leaves open, special_tokens_map.json.
  std::string path;                              ///< of the first of them; "" if there is none
  std::string tokenizer_class;                   ///< of transformers; "" if it is not said
  std::optional<std::string> bos, eos, padding;  ///< texts
  std::optional<bool> add_bos, add_eos;
  std::vector<std::string> control;  ///< texts of all special tokens that it names
  std::vector<HfAddedToken> added;
  // Of generation_config.json: tokens that end a text.
  std::vector<int32_t> end_ids;
};

/// Reads these and generation_config.json as far as they are there. Errors:
/// DATA_LOSS naming file and key.
absl::StatusOr<HfTokenizerConfig> ReadHfTokenizerConfig(const ModelDirectory& directory);

/// The part of `config` that tokenizer_config.json gives.
absl::Status ReadHfTokenizerConfig(const JsonDocument& document, HfTokenizerConfig* config);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_HF_TOKENIZER_CONFIG_H_
