#ifndef QUANTD_RUNTIME_TOKENIZER_VOCABULARY_H_
#define QUANTD_RUNTIME_TOKENIZER_VOCABULARY_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/formats/gguf.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

/// A vocabulary of typed tokens, validated, as its file spells it. Views point into the file.
struct Vocabulary {
  std::vector<absl::string_view> texts;
  std::vector<TokenType> types;  ///< [texts.size()]
  std::vector<float> scores;     ///< [texts.size()], or empty when the file has none
  std::optional<int32_t> bos, eos, unknown;
  std::vector<int32_t> end_ids;          ///< eos first; no duplicates
  std::optional<bool> add_bos, add_eos;  ///< what the file says about defaults
};

/// Reads tokenizer.ggml.{tokens,token_type,scores,*_token_id,add_*_token}. Errors: DATA_LOSS naming
/// file and key.
absl::StatusOr<Vocabulary> ReadVocabulary(const GgufFile& file);

/// Sets what the vocabulary does not say: BOS, EOS and the unknown token by their usual texts and
/// types, and end_ids: EOS, `more_ends`, and the control tokens by which chat formats end a turn.
void CompleteSpecialIds(std::initializer_list<std::optional<int32_t>> more_ends,
                        Vocabulary* vocabulary);

/// Whether a control token of this text is known to end a turn, so that no file need say it.
bool IsEndName(absl::string_view text);

/// The id that a key gives, or nullopt. Errors: DATA_LOSS, also for an id beyond `vocab_size`.
absl::StatusOr<std::optional<int32_t>> ReadTokenId(const GgufFile& file, const char* key,
                                                   size_t vocab_size);

/// The byte that a token text "<0x1F>" stands for; nullopt when it is not of that form.
std::optional<uint8_t> ParseByteToken(absl::string_view text);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_VOCABULARY_H_
