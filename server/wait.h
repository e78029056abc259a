#ifndef QUANTD_SERVER_WAIT_H_
#define QUANTD_SERVER_WAIT_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"

namespace quantd {

/// Waits on `changed` until `done()` holds; false if `timeout` passed first. Follows the monotonic
/// clock; a timeout of a year or more is none.
template <typename Done>
bool AwaitFor(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
              absl::Duration timeout, Done done) {
  if (timeout >= absl::Hours(24 * 365)) {
    changed.wait(lock, done);
    return true;
  }
  return changed.wait_for(lock, absl::ToChronoNanoseconds(timeout), done);
}

}  // namespace quantd

#endif  // QUANTD_SERVER_WAIT_H_
