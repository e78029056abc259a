#ifndef QUANTD_RUNTIME_TOKENIZER_HF_TOKENS_H_
#define QUANTD_RUNTIME_TOKENIZER_HF_TOKENS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/formats/json_document.h"
#include "runtime/tokenizer/hf_vocabulary.h"
#include "runtime/tokenizer/special_tokens.h"
#include "runtime/tokenizer/vocabulary.h"

namespace quantd {

/// A token added to a vocabulary: cut out of texts before the model sees them.
struct HfAddedToken {
  SpecialToken token;       ///< its control: "special"
  bool normalized = false;  ///< looked for in the normalized text
};

/// An added token of a tokenizer.json ("added_tokens"), whose id is a member, or of a
/// tokenizer_config.json ("added_tokens_decoder"), whose id is the key (`id`). Errors: DATA_LOSS.
absl::StatusOr<HfAddedToken> ReadHfAddedToken(const JsonValue& object, std::optional<int32_t> id);

/// The members of "added_tokens_decoder", or nothing. Errors: DATA_LOSS.
absl::StatusOr<std::vector<HfAddedToken>> ReadAddedTokensDecoder(
    const std::optional<JsonValue>& decoder);

/// Every token of a tokenizer.json.
struct HfTokens {
  std::vector<std::string> texts;  ///< by id
  std::vector<TokenType> types;    ///< by id; kUnused where no token has it
  std::vector<HfAddedToken> added;
  /// Text -> id of the tokens of model.vocab; of a scored one, the last of those with one text.
  absl::flat_hash_map<std::string, int32_t> in_model;
  std::vector<double> scores;  ///< by id, of model.vocab if that is scored

  /// The id of a token, of the model or added.
  std::optional<int32_t> Find(absl::string_view text) const;
  /// Marks a token as control and, if it is not an added one, adds it.
  void MakeControl(int32_t id);
};

/// Puts together the model's vocabulary, the added tokens of the file and `more`, which do not
/// replace those. Errors: DATA_LOSS naming the entry for an empty vocabulary, ids that several
/// tokens have or that are far beyond the number of tokens, an added token without text.
absl::StatusOr<HfTokens> CollectHfTokens(const HfTokenizerFile& file,
                                         const std::vector<HfAddedToken>& more);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_HF_TOKENS_H_
