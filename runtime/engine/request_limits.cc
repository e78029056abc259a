#include "runtime/engine/request_limits.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// Written so that NaN fails.
absl::Status CheckRange(absl::string_view field, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return Invalid(field, ": ", value, " is not in [", low, ", ", high, "]");
}

// In (0, high].
absl::Status CheckPositive(absl::string_view field, double value, double high) {
  if (value > 0 && value <= high) return absl::OkStatus();
  return Invalid(field, ": ", value, " is not in (0, ", high, "]");
}

absl::Status CheckCount(absl::string_view field, size_t count, size_t limit,
                        absl::string_view unit) {
  if (count <= limit) return absl::OkStatus();
  return Invalid(field, ": ", count, " ", unit, ", at most ", limit, " are allowed");
}

absl::Status CheckIds(absl::string_view field, absl::Span<const int32_t> ids, int32_t vocab) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocab) {
      return Invalid(field, "[", i, "]: token id ", ids[i], " is not in [0, ", vocab, ")");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSampling(const SamplingParams& s, int32_t vocab) {
  QUANTD_RETURN_IF_ERROR(CheckRange("temperature", s.temperature, 0, kMaxTemperature));
  if (s.top_k < 0) return Invalid("top_k: ", s.top_k, " is negative; 0 keeps all tokens");
  QUANTD_RETURN_IF_ERROR(CheckPositive("top_p", s.top_p, 1));
  QUANTD_RETURN_IF_ERROR(CheckRange("min_p", s.min_p, 0, 1));
  QUANTD_RETURN_IF_ERROR(
      CheckPositive("repetition_penalty", s.repetition_penalty, kMaxRepetitionPenalty));
  QUANTD_RETURN_IF_ERROR(CheckRange("frequency_penalty", s.frequency_penalty, -2, 2));
  QUANTD_RETURN_IF_ERROR(CheckRange("presence_penalty", s.presence_penalty, -2, 2));
  QUANTD_RETURN_IF_ERROR(CheckCount("logit_bias", s.logit_bias.size(), kMaxLogitBias, "entries"));
  for (const auto& [id, bias] : s.logit_bias) {
    QUANTD_RETURN_IF_ERROR(CheckIds("logit_bias", {id}, vocab));
    QUANTD_RETURN_IF_ERROR(CheckRange(absl::StrCat("logit_bias of token ", id), bias, -100, 100));
  }
  return CheckRange("logprobs", s.logprobs, -1, kMaxLogprobs);
}

absl::Status CheckStops(const Request& request, int32_t vocab) {
  QUANTD_RETURN_IF_ERROR(CheckCount("stop", request.stop.size(), kMaxStopStrings, "strings"));
  for (size_t i = 0; i < request.stop.size(); ++i) {
    const std::string& stop = request.stop[i];
    if (stop.empty()) return Invalid("stop[", i, "]: is empty, at least 1 byte is needed");
    QUANTD_RETURN_IF_ERROR(
        CheckCount(absl::StrCat("stop[", i, "]"), stop.size(), kMaxStopStringBytes, "bytes"));
    if (!IsUtf8(stop)) return Invalid("stop[", i, "]: is not valid UTF-8");
  }
  QUANTD_RETURN_IF_ERROR(CheckCount("stop_ids", request.stop_ids.size(), kMaxStopIds, "ids"));
  return CheckIds("stop_ids", request.stop_ids, vocab);
}

// Most tokens of a sequence, prompt and output: see OutputLimit.
int64_t SequenceLimit(int64_t prompt, const ModelLimits& limits) {
  const int64_t within_context = std::max<int64_t>(limits.context, prompt + 1);
  return std::min(within_context, limits.kv_tokens + 1);
}

absl::Status CheckLengths(const Request& request, const ModelLimits& limits) {
  const auto prompt = static_cast<int64_t>(request.prompt.size());
  if (prompt == 0) return Invalid("prompt: is empty, at least 1 token is needed");
  if (prompt > limits.context) {
    return Invalid("prompt: ", prompt, " tokens, but the model's context is ", limits.context,
                   " tokens");
  }
  if (request.max_tokens < 0) {
    return Invalid("max_tokens: ", request.max_tokens, " is negative; 0 means up to the context");
  }
  if (prompt > limits.kv_tokens) {
    return Invalid("prompt: ", prompt, " tokens, but the KV cache holds ", limits.kv_tokens,
                   " tokens; the server needs a larger one");
  }
  const int64_t wanted =
      std::min(prompt + request.max_tokens, std::max<int64_t>(limits.context, prompt + 1));
  if (request.max_tokens > 0 && wanted - 1 > limits.kv_tokens) {
    return Invalid("max_tokens: prompt (", prompt, ") and max_tokens (", request.max_tokens,
                   ") need more than the ", limits.kv_tokens,
                   " tokens that the KV cache holds; ask for at most ",
                   limits.kv_tokens + 1 - prompt);
  }
  const int32_t output = OutputLimit(request, limits);
  if (request.min_tokens < 0 || request.min_tokens > output) {
    return Invalid("min_tokens: ", request.min_tokens, " is not in [0, ", output,
                   "], the tokens this request can generate");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateRequest(const Request& request, const ModelLimits& limits) {
  QUANTD_RETURN_IF_ERROR(CheckCount("id", request.id.size(), kMaxRequestIdBytes, "bytes"));
  QUANTD_RETURN_IF_ERROR(
      CheckCount("cache_salt", request.cache_salt.size(), kMaxCacheSaltBytes, "bytes"));
  QUANTD_RETURN_IF_ERROR(CheckLengths(request, limits));
  QUANTD_RETURN_IF_ERROR(CheckIds("prompt", request.prompt, limits.vocab));
  QUANTD_RETURN_IF_ERROR(CheckSampling(request.sampling, limits.vocab));
  return CheckStops(request, limits.vocab);
}

int32_t OutputLimit(const Request& request, const ModelLimits& limits) {
  const auto prompt = static_cast<int64_t>(request.prompt.size());
  const int64_t room = SequenceLimit(prompt, limits) - prompt;
  return static_cast<int32_t>(
      request.max_tokens == 0 ? room : std::min<int64_t>(request.max_tokens, room));
}

}  // namespace quantd
