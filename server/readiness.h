#ifndef QUANTD_SERVER_READINESS_H_
#define QUANTD_SERVER_READINESS_H_

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/health_check_service_interface.h"
#include "runtime/lifecycle/model_manager.h"
#include "server/daemon.h"

namespace quantd {

/// Whether the server, and each model, can serve: what gRPC health checks and /readyz answer. The
/// server is ready when every required model is READY and it does not drain; required are the
/// models of the configuration until somebody unloads them. Thread-safe.
class Readiness {
 public:
  explicit Readiness(const std::vector<ModelSpec>& required);

  /// From now on `health` is told: service "" for the server, a model's name for a model. Null
  /// ends that. It must live until then.
  void Bind(grpc::HealthCheckServiceInterface* health);

  /// Takes the state of all models. Later calls must bring later states.
  void Update(const std::vector<ModelStatus>& models);
  /// A load that could not even begin.
  void SetFailed(const std::string& model, const absl::Status& status);
  /// `model` was unloaded on purpose.
  void Forget(const std::string& model);
  /// Nothing serves from now on, whatever Update says.
  void StartDrain();

  /// UNAVAILABLE naming a model that is not ready and why, or the drain.
  absl::Status Ready() const;
  /// Waits until the server is ready; the error of the first required model that failed,
  /// UNAVAILABLE when it drains, DEADLINE_EXCEEDED naming what is missing after `timeout`.
  absl::Status Await(absl::Duration timeout);
  /// Waits until no required model is loading, or the server drains, or `timeout` has passed.
  Daemon::LoadResult AwaitSettled(absl::Duration timeout = absl::InfiniteDuration());

 private:
  struct State {
    ModelState state = ModelState::kLoading;
    absl::Status error;
  };
  absl::Status ReadyLocked() const;
  void TellLocked();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> required_;
  std::map<std::string, State> models_;
  std::set<std::string> told_;  // models that `health_` knows
  bool draining_ = false;
  grpc::HealthCheckServiceInterface* health_ = nullptr;
};

}  // namespace quantd

#endif  // QUANTD_SERVER_READINESS_H_
