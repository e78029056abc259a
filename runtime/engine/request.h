#ifndef QUANTD_RUNTIME_ENGINE_REQUEST_H_
#define QUANTD_RUNTIME_ENGINE_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace quantd {

/// How the next token is drawn from the logits. Defaults are the usual ones of such servers.
struct SamplingParams {
  float temperature = 1.0f;         ///< 0 = greedy; >= 0
  int32_t top_k = 0;                ///< keep the k most likely; 0 = all
  float top_p = 1.0f;               ///< nucleus, (0, 1]
  float min_p = 0.0f;               ///< drop tokens below min_p * p(best), [0, 1]
  float repetition_penalty = 1.0f;  ///< > 0; divides (multiplies) positive (negative) logits of
                                    ///< tokens in prompt or output (Keskar et al. 2019)
  float frequency_penalty = 0.0f;   ///< subtracted per occurrence in the output, [-2, 2]
  float presence_penalty = 0.0f;    ///< subtracted once if in the output, [-2, 2]
  std::optional<uint64_t> seed;     ///< absent = a random one
  std::vector<std::pair<int32_t, float>> logit_bias;  ///< added to the logits, [-100, 100]
  int32_t logprobs = -1;  ///< -1 = none; n >= 0 = the chosen token's and the n best's
};

/// A generation request, as the engine takes it. Text was tokenized before. Limits of the fields:
/// request_limits.h.
struct Request {
  std::string id;               ///< unique among live requests; "" = the engine makes one
  std::vector<int32_t> prompt;  ///< at least one token
  SamplingParams sampling;
  int32_t max_tokens = 0;         ///< 0 = up to the model's context, which bounds any other value
  int32_t min_tokens = 0;         ///< no stop before this many; stop ids are not even sampled
  std::vector<std::string> stop;  ///< strings that end the generation, not part of the text
  std::vector<int32_t> stop_ids;  ///< ids that end it, beside the vocabulary's own
  bool ignore_eos = false;
  int32_t priority = 0;    ///< lower runs first
  std::string cache_salt;  ///< sequences share prefixes only within one salt
  absl::Time deadline = absl::InfiniteFuture();
  bool want_prompt_logits = false;  ///< return the logits after the last prompt token
};

enum class FinishReason : uint8_t { kStop, kLength, kCancelled, kDeadline, kError };
const char* FinishReasonName(FinishReason reason);  ///< "stop", "length", ...

struct TokenLogprob {
  int32_t id;
  float logprob;
};

/// One generated token with what was asked about it. A stop id is delivered like any other token
/// and counted, but has no text.
struct GeneratedToken {
  int32_t id = 0;
  float logprob = 0;              ///< of the distribution before temperature and filters
  std::vector<TokenLogprob> top;  ///< best first, when logprobs > 0
};

/// Token ids and text that became ready together; text may lag behind ids by an unfinished
/// character or a possible stop string, but all of it is delivered by the end.
struct Delta {
  std::vector<GeneratedToken> tokens;
  std::string text;
};

struct Usage {
  int32_t prompt_tokens = 0;
  int32_t cached_prompt_tokens = 0;  ///< of them, found in the prefix cache
  int32_t completion_tokens = 0;
};

/// Monotonic durations of one request.
struct Timings {
  absl::Duration queue, prefill, decode, time_to_first_token, total;
};

/// The last event of a request; exactly one per request, whatever happened.
struct Finish {
  FinishReason reason = FinishReason::kStop;
  absl::Status status;       ///< OK for kStop and kLength
  std::string matched_stop;  ///< the stop string, or ""
  std::optional<int32_t> matched_stop_id;
  Usage usage;
  Timings timings;
  std::vector<float> prompt_logits;  ///< [vocab] if wanted
};

/// Receives the events of one request, on the engine's publisher thread, in order: at most one
/// OnStart, any number of OnDelta, exactly one OnFinish (after which the engine drops the sink).
/// Implementations must not block.
class ResponseSink {
 public:
  virtual ~ResponseSink() = default;
  /// The request left the queue.
  virtual void OnStart(const Usage& prompt_usage) {}
  virtual void OnDelta(Delta delta) = 0;
  virtual void OnFinish(Finish finish) = 0;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_REQUEST_H_
