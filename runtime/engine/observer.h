#ifndef QUANTD_RUNTIME_ENGINE_OBSERVER_H_
#define QUANTD_RUNTIME_ENGINE_OBSERVER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "runtime/engine/request.h"

namespace quantd {

/// What one step did; one call per step, so that a metrics sink takes its locks once.
struct StepStats {
  int32_t prefill_tokens = 0, decode_tokens = 0;
  int32_t sequences = 0;
  int32_t cached_prompt_tokens = 0;  ///< prompt tokens skipped thanks to the prefix cache
  int32_t prefix_query_tokens = 0;   ///< prompt tokens looked up in it
  int32_t preemptions = 0;
  absl::Duration execute;                           ///< in the executor
  absl::Duration total;                             ///< the whole turn of the loop
  std::vector<absl::Duration> first_token_latency;  ///< of sequences whose first token this was
  std::vector<absl::Duration> inter_token_latency;  ///< of the others
};

/// Told about the engine's work, on the engine thread. Must return quickly.
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  virtual void OnStep(const StepStats& step) {}
  /// Every request that Submit accepted, once.
  virtual void OnFinish(const Finish& finish) {}
  /// Submit refused a request. Called on the submitter's thread.
  virtual void OnReject(const absl::Status& status) {}
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_OBSERVER_H_
