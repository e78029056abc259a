#ifndef QUANTD_RUNTIME_ENGINE_INBOX_H_
#define QUANTD_RUNTIME_ENGINE_INBOX_H_

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "runtime/engine/clock.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/sequence.h"

namespace quantd {

/// Everything that reaches the engine thread from others: new requests, cancellations, drain and
/// stop; and what they may ask about it: which ids are live, how much waits, the last snapshot.
/// The queue is bounded by requests and prompt tokens, counted from Push until the sequence has
/// left the queue for the first time. Thread-safe; one mutex, held briefly.
class Inbox {
 public:
  Inbox(int32_t max_requests, int64_t max_tokens)
      : max_requests_(max_requests), max_tokens_(max_tokens) {}

  // Submitters.

  /// Queues a sequence and gives it its number, and an id if it has none. Returns the id. Errors:
  /// ALREADY_EXISTS, RESOURCE_EXHAUSTED, UNAVAILABLE.
  absl::StatusOr<std::string> Push(std::unique_ptr<Sequence> sequence);
  /// False if no such request is live.
  bool Cancel(const std::string& id);
  void CancelAll();
  /// Push fails with `reason` from now on; the first reason stays.
  void Close(absl::Status reason);
  void Stop();
  bool AwaitIdle(const Clock& clock, absl::Duration timeout);
  EngineSnapshot Snapshot() const;

  // The engine.

  struct Mail {
    std::vector<std::unique_ptr<Sequence>> arrivals;
    absl::flat_hash_set<uint64_t> cancelled;  ///< numbers of sequences that came now or before
    bool stop = false;
  };
  /// Takes what has come; with `wait`, sleeps until there is something.
  Mail Drain(bool wait);

  /// What the engine has changed since the last Update. Applied at once, so that others see a
  /// consistent state.
  struct Changes {
    int32_t left_queue = 0;  ///< sequences started for the first time, or ended before that
    int64_t left_queue_tokens = 0;
    std::vector<std::string> retired;  ///< ids that are free to be used again
    EngineSnapshot state;              ///< running, KV and steps; waiting = preempted sequences
  };
  void Update(Changes changes);

  /// A retired request's OnFinish has returned. Any thread.
  void NoteDelivered();

 private:
  const int32_t max_requests_;
  const int64_t max_tokens_;

  mutable std::mutex mutex_;
  std::condition_variable mail_came_, became_idle_;
  Mail mail_;
  absl::flat_hash_map<std::string, uint64_t> live_;  // id -> number
  uint64_t next_number_ = 1;
  int64_t undelivered_ = 0;  // requests accepted whose OnFinish has not returned
  int32_t queued_ = 0;
  int64_t queued_tokens_ = 0;
  absl::Status closed_;  // OK while open
  EngineSnapshot state_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_INBOX_H_
