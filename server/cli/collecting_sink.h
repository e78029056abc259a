#ifndef QUANTD_SERVER_CLI_COLLECTING_SINK_H_
#define QUANTD_SERVER_CLI_COLLECTING_SINK_H_

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "runtime/engine/request.h"

namespace quantd {

/// Takes the events of one request from the engine's publisher, which must not wait, and hands
/// them to the command's thread, which may (a slow terminal, a full pipe). Thread-safe.
class CollectingSink : public ResponseSink {
 public:
  void OnDelta(Delta delta) override;
  void OnFinish(Finish finish) override;

  /// What has arrived since the last call.
  struct Events {
    std::vector<int32_t> ids;
    std::string text;
    std::optional<Finish> finish;
  };
  /// Waits for something new, at most `timeout`; then what it returns is empty.
  Events Next(absl::Duration timeout);

 private:
  // Not absl's: a distribution's abseil is built without TSan, which then cannot see its locks.
  std::mutex mutex_;
  std::condition_variable news_;
  Events events_;  // guarded by mutex_
};

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_COLLECTING_SINK_H_
