#ifndef QUANTD_SERVER_DAEMON_H_
#define QUANTD_SERVER_DAEMON_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/config.h"

namespace quantd {

/// The running server: owns the runtime, the models, the gRPC and HTTP listeners, and the order in
/// which they start, drain and stop. Used by `quantd serve` and by the integration tests.
class Daemon {
 public:
  /// Opens the listeners, then starts loading config.models in the background (readiness follows).
  /// Errors: a port taken, a bad TLS file, a forced kernel that cannot run.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(const ServerConfig& config);
  /// Stops at once if Drain was not called.
  ~Daemon();

  int grpc_port() const;
  int http_port() const;  ///< 0 when HTTP is off
  /// Where it listens, "HOST:PORT" with the port that was opened; http "" when it is off.
  std::string grpc_address() const;
  std::string http_address() const;

  /// Waits until every model of the configuration is READY; the error of the first that FAILED.
  absl::Status AwaitModels(absl::Duration timeout);

  /// What became of the models of the configuration.
  struct LoadResult {
    int ready = 0, failed = 0;
    int loading = 0;        ///< 0 once all are settled
    bool draining = false;  ///< the server stops; the counts may leave some out
  };
  /// Waits until none of them is loading, or until the server drains. Logs the progress of loads
  /// that take long.
  LoadResult AwaitSettled();

  /// Health says NOT_SERVING, new requests are refused with UNAVAILABLE, running ones may finish
  /// within config.shutdown.drain. True when all finished.
  bool Drain();
  /// Refuses new requests and cancels what still runs; makes a Drain in progress return. Any
  /// thread.
  void CancelAll();

 private:
  Daemon();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quantd

#endif  // QUANTD_SERVER_DAEMON_H_
