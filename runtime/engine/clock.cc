#include "runtime/engine/clock.h"

#include <chrono>

#include "absl/time/clock.h"

namespace quantd {
namespace {

class RealClock : public Clock {
 public:
  absl::Duration Monotonic() const override {
    return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
  }

  absl::Time Wall() const override { return absl::Now(); }

  bool WaitFor(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
               absl::Duration timeout, absl::FunctionRef<bool()> done) const override {
    // A year is forever, and far from where adding it to the time of the clock overflows.
    const absl::Duration bounded = std::min(timeout, absl::Hours(24 * 365));
    return changed.wait_until(
        lock, std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(bounded), done);
  }
};

}  // namespace

const Clock& Clock::Real() {
  static const RealClock clock;
  return clock;
}

}  // namespace quantd
