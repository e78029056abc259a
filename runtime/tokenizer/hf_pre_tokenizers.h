#ifndef QUANTD_RUNTIME_TOKENIZER_HF_PRE_TOKENIZERS_H_
#define QUANTD_RUNTIME_TOKENIZER_HF_PRE_TOKENIZERS_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/formats/json_document.h"
#include "runtime/tokenizer/pre_tokenizer.h"

namespace quantd {

/// "pre_tokenizer" of a tokenizer.json.
struct HfPreTokenizer {
  std::string name;  ///< its kinds, joined by '+'; "none"
  PreTokenizerSteps steps;
  /// Its last act is to spell words in the byte alphabet. That step is left out: who reads the
  /// model either works on the bytes or puts SpellBytes() back.
  bool spells_bytes = false;
};

/// Errors: DATA_LOSS naming the field; UNIMPLEMENTED naming the kind.
absl::StatusOr<HfPreTokenizer> ReadHfPreTokenizer(const std::optional<JsonValue>& pre_tokenizer);

/// Where a "Metaspace" puts its replacement in front; also of the decoder. Older files say just
/// "add_prefix_space".
absl::StatusOr<PrependScheme> ReadHfPrependScheme(const JsonValue& metaspace);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_HF_PRE_TOKENIZERS_H_
