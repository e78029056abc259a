#ifndef QUANTD_RUNTIME_ENGINE_ENGINE_LOOP_H_
#define QUANTD_RUNTIME_ENGINE_ENGINE_LOOP_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "runtime/cache/kv_block_pool.h"
#include "runtime/cache/prefix_index.h"
#include "runtime/engine/clock.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/executor.h"
#include "runtime/engine/inbox.h"
#include "runtime/engine/observer.h"
#include "runtime/engine/outbox.h"
#include "runtime/engine/sampler.h"
#include "runtime/engine/scheduler.h"
#include "runtime/engine/sequence.h"

namespace quantd {

/// The engine thread's side: owns every sequence from its arrival to its Finish, and turns steps
/// until told to stop or until the device fails. Everything but alive() belongs to the thread in
/// Run. What it is given must outlive it.
class EngineLoop {
 public:
  EngineLoop(const EngineOptions& options, std::unique_ptr<Executor> executor,
             std::unique_ptr<KvBlockPool> pool, const Clock* clock, EngineObserver* observer,
             Inbox* inbox, Outbox* outbox);

  void Run();

  /// The device has not failed and the loop has shown a sign of life within the watchdog's time.
  /// Any thread.
  bool alive() const;

 private:
  void Admit(std::vector<std::unique_ptr<Sequence>> arrivals);
  void RetireCancelledAndExpired(const absl::flat_hash_set<uint64_t>& cancelled);
  void RetireAll(FinishReason reason, const absl::Status& status);
  void RunStep(const StepPlan& plan);
  void Apply(const CommittedStep& step, absl::Span<float> logits);
  void Advance(Sequence* sequence, absl::Span<float> logits);
  void RecordToken(Sequence* sequence, int32_t id);
  void Fail(const absl::Status& status);
  void Retire(Sequence* sequence, Finish finish);
  void EndFromOutside(uint64_t number, FinishReason reason, const absl::Status& status);
  void Report();

  const EngineOptions options_;
  const std::unique_ptr<Executor> executor_;
  const std::unique_ptr<KvBlockPool> pool_;
  const Clock* const clock_;
  EngineObserver* const observer_;  // may be null
  Inbox* const inbox_;
  Outbox* const outbox_;

  PrefixIndex index_;
  Scheduler scheduler_;
  Sampler sampler_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Sequence>> sequences_;  // by number
  std::set<std::pair<absl::Duration, uint64_t>> deadlines_;             // of those that have one
  absl::Duration now_;      // of the moment this part of the turn works with
  Inbox::Changes changes_;  // since the last Report
  StepStats stats_;
  uint64_t steps_ = 0;
  int32_t not_started_ = 0;  // sequences here that have never left the queue, as of Report

  std::atomic<int64_t> sign_of_life_ns_;  // monotonic; kIdle while waiting for work
  std::atomic<bool> failed_ = false;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_ENGINE_LOOP_H_
