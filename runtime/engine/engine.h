#ifndef QUANTD_RUNTIME_ENGINE_ENGINE_H_
#define QUANTD_RUNTIME_ENGINE_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "runtime/cache/kv_block_pool.h"
#include "runtime/engine/clock.h"
#include "runtime/engine/executor.h"
#include "runtime/engine/observer.h"
#include "runtime/engine/request.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

struct EngineOptions {
  int32_t max_sequences = 64;           ///< sequences running at once; >= 1
  int32_t step_token_budget = 512;      ///< rows of one step: all decodes first, then prefill
                                        ///< chunks; >= max_sequences
  int32_t max_queued_requests = 256;    ///< waiting; one more is RESOURCE_EXHAUSTED; >= 1
  int64_t max_queued_tokens = 1 << 20;  ///< prompt tokens waiting, likewise, but an empty queue
                                        ///< takes any prompt; >= 1
  bool prefix_cache = true;             ///< share KV blocks of equal prompt prefixes
  absl::Duration watchdog =
      absl::Seconds(120);  ///< a step longer than this fails liveness; 0 = off
};

/// What the engine is doing now; a consistent snapshot.
struct EngineSnapshot {
  int32_t running = 0;
  int32_t waiting = 0;         ///< not started yet, or preempted
  int64_t waiting_tokens = 0;  ///< prompt tokens of those not started yet
  int32_t kv_blocks_total = 0;
  int32_t kv_blocks_used = 0;    ///< by running sequences
  int32_t kv_blocks_cached = 0;  ///< unused, kept for the prefix cache until needed
  uint64_t steps = 0;
  bool alive = true;  ///< the device has not failed and the loop is turning (see watchdog)
};

/// Continuous batching for one model: a bounded inbox, a scheduler, an executor, an outbox, and
/// the thread that runs the loop. All public methods are thread-safe and return at once.
class Engine {
 public:
  /// `tokenizer`, `observer` (may be null) and `clock` (null = the machine's) must outlive the
  /// engine. Errors: INVALID_ARGUMENT naming the option and its limit.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(const EngineOptions& options,
                                                        std::unique_ptr<Executor> executor,
                                                        std::unique_ptr<KvBlockPool> pool,
                                                        const Tokenizer* tokenizer,
                                                        EngineObserver* observer,
                                                        const Clock* clock = nullptr);
  /// Cancels what is left, delivers every Finish and joins the threads. Not to be called from a
  /// sink.
  ~Engine();

  /// Validates and queues a request; `sink` gets its events. Returns the request's id.
  /// Errors, with no event sent: INVALID_ARGUMENT naming the field and its limit, ALREADY_EXISTS
  /// for a live id, RESOURCE_EXHAUSTED when the queue is full, UNAVAILABLE while draining or after
  /// the device failed.
  absl::StatusOr<std::string> Submit(Request request, std::shared_ptr<ResponseSink> sink);

  /// Ends a request; its sink gets Finish(kCancelled) and its KV blocks are free within two steps.
  /// Idempotent. False if no such request is live.
  bool Cancel(const std::string& id);

  /// Refuses new requests from now on and lets the live ones finish.
  void StartDrain();
  /// Waits until nothing is live and every OnFinish has returned; false if `timeout` passed first.
  bool AwaitIdle(absl::Duration timeout);
  /// Cancels every request that is live now.
  void CancelAll();

  EngineSnapshot Snapshot() const;

 private:
  Engine();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_ENGINE_H_
