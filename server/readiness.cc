#include "server/readiness.h"

#include "absl/strings/str_cat.h"
#include "server/wait.h"

namespace quantd {

Readiness::Readiness(const std::vector<ModelSpec>& required) {
  for (const ModelSpec& spec : required) {
    required_.insert(spec.name);
    models_[spec.name] = {};
  }
}

void Readiness::Bind(grpc::HealthCheckServiceInterface* health) {
  std::lock_guard<std::mutex> lock(mutex_);
  health_ = health;
  told_.clear();
  TellLocked();
}

void Readiness::Update(const std::vector<ModelStatus>& models) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::map<std::string, State> now;
  for (const ModelStatus& model : models) now[model.name] = {model.state, model.error};
  // A required model that is not there yet, or whose load could not begin, keeps its state.
  for (const std::string& name : required_) now.emplace(name, models_[name]);
  models_ = std::move(now);
  TellLocked();
}

void Readiness::SetFailed(const std::string& model, const absl::Status& status) {
  std::lock_guard<std::mutex> lock(mutex_);
  models_[model] = {ModelState::kFailed, status};
  TellLocked();
}

void Readiness::Forget(const std::string& model) {
  std::lock_guard<std::mutex> lock(mutex_);
  required_.erase(model);
  models_.erase(model);
  TellLocked();
}

void Readiness::StartDrain() {
  std::lock_guard<std::mutex> lock(mutex_);
  draining_ = true;
  TellLocked();
}

absl::Status Readiness::ReadyLocked() const {
  if (draining_) return absl::UnavailableError("the server is shutting down");
  for (const std::string& name : required_) {
    const State& model = models_.at(name);
    if (model.state == ModelState::kReady) continue;
    const std::string reason =
        model.error.ok() ? "" : absl::StrCat(": ", std::string(model.error.message()));
    return absl::UnavailableError(
        absl::StrCat("model '", name, "' is ", ModelStateName(model.state), reason));
  }
  return absl::OkStatus();
}

void Readiness::TellLocked() {
  changed_.notify_all();
  if (health_ == nullptr) return;
  for (const auto& [name, model] : models_) {
    health_->SetServingStatus(name, model.state == ModelState::kReady && !draining_);
    told_.insert(name);
  }
  // gRPC cannot forget a service; one whose model is gone does not serve.
  for (const std::string& name : told_) {
    if (models_.count(name) == 0) health_->SetServingStatus(name, false);
  }
  health_->SetServingStatus("", ReadyLocked().ok());
}

absl::Status Readiness::Ready() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return ReadyLocked();
}

absl::Status Readiness::Await(absl::Duration timeout) {
  std::unique_lock<std::mutex> lock(mutex_);
  absl::Status failed;
  const bool settled = AwaitFor(changed_, lock, timeout, [this, &failed] {
    for (const std::string& name : required_) {
      const State& model = models_.at(name);
      if (model.state == ModelState::kFailed && failed.ok()) failed = model.error;
    }
    return draining_ || !failed.ok() || ReadyLocked().ok();
  });
  if (draining_ || settled) return failed.ok() ? ReadyLocked() : failed;
  return absl::DeadlineExceededError(ReadyLocked().message());
}

Daemon::LoadResult Readiness::AwaitSettled(absl::Duration timeout) {
  std::unique_lock<std::mutex> lock(mutex_);
  Daemon::LoadResult result;
  AwaitFor(changed_, lock, timeout, [this, &result] {
    result = {};
    result.draining = draining_;
    for (const std::string& name : required_) {
      const ModelState state = models_.at(name).state;
      if (state == ModelState::kReady) ++result.ready;
      if (state == ModelState::kFailed) ++result.failed;
    }
    result.loading = static_cast<int>(required_.size()) - result.ready - result.failed;
    return draining_ || result.loading == 0;
  });
  return result;
}

}  // namespace quantd
