#ifndef QUANTD_RUNTIME_ENGINE_REQUEST_LIMITS_H_
#define QUANTD_RUNTIME_ENGINE_REQUEST_LIMITS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "runtime/engine/request.h"

namespace quantd {

// Limits of a request that do not depend on the model. They bound what one request can cost.
inline constexpr int kMaxStopStrings = 16;
inline constexpr int kMaxStopStringBytes = 256;
inline constexpr int kMaxStopIds = 64;
inline constexpr int kMaxLogitBias = 1024;
inline constexpr int kMaxLogprobs = 20;
inline constexpr int kMaxRequestIdBytes = 256;
inline constexpr int kMaxCacheSaltBytes = 256;
inline constexpr float kMaxTemperature = 100.0f;
inline constexpr float kMaxRepetitionPenalty = 100.0f;

/// Limits of a request that the model and its KV cache set.
struct ModelLimits {
  int32_t vocab = 0;
  int32_t context = 0;    ///< tokens of one sequence
  int64_t kv_tokens = 0;  ///< tokens the whole KV pool holds
};

/// Checks every field against its limit. Errors: INVALID_ARGUMENT "field: value; limit".
absl::Status ValidateRequest(const Request& request, const ModelLimits& limits);

/// Tokens a valid request may generate: max_tokens, but prompt and output together stay within
/// the context and the KV pool. A prompt that fills the context still gets one token, since the
/// last token generated needs no place in the cache.
int32_t OutputLimit(const Request& request, const ModelLimits& limits);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_REQUEST_LIMITS_H_
