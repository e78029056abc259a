#ifndef QUANTD_RUNTIME_TOKENIZER_HF_DECODERS_H_
#define QUANTD_RUNTIME_TOKENIZER_HF_DECODERS_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/formats/json_document.h"

namespace quantd {

/// Far beyond what real files make of a token.
inline constexpr size_t kLongestDecodedToken = 8192;

/// The bytes that a token stands for; `first`: it starts the text. More than kLongestDecodedToken
/// mean that the decoder makes too many of it.
using HfDecoder = std::function<std::string(absl::string_view token, bool first)>;

/// "decoder" of a tokenizer.json; without one, tokens are words with spaces between. Tokens are
/// decoded one by one, as a stream needs it: what depends on later tokens is UNIMPLEMENTED, and so
/// are kinds that are not known. Other errors: DATA_LOSS naming the field.
absl::StatusOr<HfDecoder> ReadHfDecoder(const std::optional<JsonValue>& decoder);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_HF_DECODERS_H_
