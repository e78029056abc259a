#ifndef QUANTD_RUNTIME_ENGINE_SEQUENCE_H_
#define QUANTD_RUNTIME_ENGINE_SEQUENCE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "runtime/cache/prefix_index.h"
#include "runtime/engine/generation.h"
#include "runtime/engine/outbox.h"
#include "runtime/engine/request.h"
#include "runtime/engine/sampler.h"

namespace quantd {

/// The part of a request's state that the scheduler reads and writes.
struct ScheduledState {
  uint64_t number = 0;   ///< order of arrival, unique; the sequence's id in a batch
  int32_t priority = 0;  ///< lower runs first
  std::string cache_salt;
  std::vector<int32_t> tokens;  ///< prompt, then output
  int32_t prompt_tokens = 0;
  int32_t computed = 0;                 ///< tokens whose K and V are in `blocks`
  std::vector<int32_t> blocks;          ///< KV blocks held, in token order; empty unless running
  int32_t indexed_blocks = 0;           ///< of them, how many are in the prefix index
  uint64_t chain = PrefixIndex::kRoot;  ///< where the indexed blocks end
  bool running = false;
  bool started = false;              ///< has left the queue once
  int32_t cached_prompt_tokens = 0;  ///< prompt tokens found in the index at the first start

  /// Tokens to compute before the next one can be sampled; always at least one.
  int32_t pending() const { return static_cast<int32_t>(tokens.size()) - computed; }
  int32_t output_tokens() const { return static_cast<int32_t>(tokens.size()) - prompt_tokens; }
};

/// Who goes first, and who is preempted last: lower priority value, then earlier arrival.
struct RunsBefore {
  bool operator()(const ScheduledState* a, const ScheduledState* b) const {
    return a->priority != b->priority ? a->priority < b->priority : a->number < b->number;
  }
};

/// Moments of one request, on the monotonic clock.
struct SequenceTimes {
  absl::Duration submitted;
  std::optional<absl::Duration> started;  ///< left the queue
  std::optional<absl::Duration> first_token;
  absl::Duration last_token;  ///< valid once there is a first
};

/// One request from Submit to its Finish. Made on the submitter's thread and owned by the inbox,
/// then by the engine thread, which alone touches it.
struct Sequence : ScheduledState {
  Sequence(const Request& request, int32_t max_tokens, const Tokenizer* tokenizer)
      : generation(request, max_tokens, tokenizer) {}

  std::string id;
  SamplingParams sampling;
  uint64_t seed = 0;
  TokenCounts counts;
  bool want_prompt_logits = false;
  std::vector<float> prompt_logits;
  std::optional<absl::Duration> deadline;  ///< monotonic
  SequenceTimes times;
  Generation generation;
  Outbox::ChannelPtr channel;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_SEQUENCE_H_
