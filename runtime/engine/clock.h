#ifndef QUANTD_RUNTIME_ENGINE_CLOCK_H_
#define QUANTD_RUNTIME_ENGINE_CLOCK_H_

#include <condition_variable>
#include <mutex>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"

namespace quantd {

/// Where the engine reads the time. Deadlines come in wall time and are turned at once into a
/// point of the monotonic clock, so a jump of the wall clock neither expires nor prolongs anything.
/// Thread-safe. Tests give their own.
class Clock {
 public:
  virtual ~Clock() = default;

  /// Time since a fixed but unknown moment; never goes back.
  virtual absl::Duration Monotonic() const = 0;
  virtual absl::Time Wall() const = 0;
  /// Waits on `changed` until `done()` holds or `timeout` has passed; returns done(). `lock` is
  /// held when done is called and on return.
  virtual bool WaitFor(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
                       absl::Duration timeout, absl::FunctionRef<bool()> done) const = 0;

  /// The clock of this machine. Lives forever.
  static const Clock& Real();
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_CLOCK_H_
