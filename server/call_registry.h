#ifndef QUANTD_SERVER_CALL_REGISTRY_H_
#define QUANTD_SERVER_CALL_REGISTRY_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace quantd {

/// Something that can be ended from outside, from any thread, more than once.
class Cancellable {
 public:
  virtual ~Cancellable() = default;
  virtual void Cancel() = 0;
};

/// The generations of the process, from the arrival of their RPC to its end, by request id: for
/// Abort, and for draining, which waits until the last answer was delivered. Thread-safe.
class CallRegistry {
 public:
  /// Counts a call that has arrived. Errors: ALREADY_EXISTS for an id in use; UNAVAILABLE while
  /// draining. On success RemoveId and End must follow, once each.
  absl::Status Begin(const std::string& id, std::shared_ptr<Cancellable> call);
  /// The generation is over and its id free; the RPC may still deliver.
  void RemoveId(const std::string& id);
  /// The RPC is over.
  void End();

  /// Cancels the call of this id; false if there is none.
  bool Cancel(const std::string& id);
  /// Cancels all; returns how many there were.
  int CancelAll();

  /// From now on Begin refuses.
  void StartDrain();
  bool draining() const;
  /// Waits until no RPC is open. False when `timeout` passed first, or soon after CancelAll when
  /// clients do not take their last messages.
  bool AwaitEmpty(absl::Duration timeout);
  int open() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<std::string, std::shared_ptr<Cancellable>> calls_;
  int open_ = 0;
  bool draining_ = false, cancelled_ = false;
};

}  // namespace quantd

#endif  // QUANTD_SERVER_CALL_REGISTRY_H_
