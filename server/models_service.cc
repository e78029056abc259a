#include "server/models_service.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "server/convert.h"
#include "server/finished.h"
#include "server/logging.h"
#include "server/status_mapping.h"
#include "server/version.h"

namespace quantd {

/// A LoadModel that waits for its model. Whoever takes it out of waiting_ finishes it, so that it
/// happens once. Deletes itself when the RPC is over.
class ModelsService::LoadReactor final : public grpc::ServerUnaryReactor {
 public:
  LoadReactor(ModelsService* service, std::string name, v1::Model* response)
      : service_(service), name_(std::move(name)), response_(response) {}

  const std::string& name() const { return name_; }

  void Answer(const ModelStatus& status) {
    if (status.state == ModelState::kReady) *response_ = ToProto(status);
    Finish(ToGrpcStatus(status.state == ModelState::kUnloading
                            ? absl::AbortedError("the model was unloaded as soon as it was loaded")
                            : status.error));
  }

 private:
  // The client went away or the server stops; the load goes on.
  void OnCancel() override {
    if (service_->TakeOut(this)) Finish(grpc::Status(grpc::StatusCode::CANCELLED, "cancelled"));
  }
  void OnDone() override { delete this; }

  ModelsService* const service_;
  const std::string name_;
  v1::Model* const response_;
};

bool ModelsService::TakeOut(LoadReactor* reactor) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto [begin, end] = waiting_.equal_range(reactor->name());
  for (auto it = begin; it != end; ++it) {
    if (it->second != reactor) continue;
    waiting_.erase(it);
    return true;
  }
  return false;
}

void ModelsService::OnModelState(const ModelStatus& status) {
  if (status.state == ModelState::kLoading) return;
  std::vector<LoadReactor*> answered;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto [begin, end] = waiting_.equal_range(status.name);
    for (auto it = begin; it != end; ++it) answered.push_back(it->second);
    waiting_.erase(begin, end);
  }
  for (LoadReactor* reactor : answered) reactor->Answer(status);
}

absl::StatusOr<ModelStatus> ModelsService::FindModel(const std::string& name) const {
  std::vector<ModelStatus> models = context_.models.List();
  if (name.empty() && models.size() == 1) return std::move(models.front());
  for (ModelStatus& model : models) {
    if (model.name == name) return std::move(model);
  }
  if (name.empty()) return FieldError("name", "must name one of the models of this server");
  return absl::NotFoundError(absl::StrCat("model '", name, "' is not on this server"));
}

grpc::ServerUnaryReactor* ModelsService::ListModels(grpc::CallbackServerContext* rpc,
                                                    const v1::ListModelsRequest* request,
                                                    v1::ListModelsResponse* response) {
  const absl::Status status = context_.auth.Check(*rpc);
  if (status.ok()) {
    for (const ModelStatus& model : context_.models.List()) {
      *response->add_models() = ToProto(model);
    }
  }
  return Finished(rpc, status);
}

grpc::ServerUnaryReactor* ModelsService::GetModel(grpc::CallbackServerContext* rpc,
                                                  const v1::GetModelRequest* request,
                                                  v1::Model* response) {
  absl::Status status = context_.auth.Check(*rpc);
  if (status.ok()) {
    const auto found = FindModel(request->name());
    if (found.ok()) *response = ToProto(*found);
    status = found.status();
  }
  return Finished(rpc, status);
}

grpc::ServerUnaryReactor* ModelsService::LoadModel(grpc::CallbackServerContext* rpc,
                                                   const v1::LoadModelRequest* request,
                                                   v1::Model* response) {
  absl::Status status = context_.auth.Check(*rpc);
  if (status.ok()) {
    Log(LogLevel::kInfo, "model load requested",
        {{"model", request->name()}, {"path", request->path()}, {"peer", rpc->peer()}});
    status = context_.models.StartLoad(ToModelSpec(*request, context_.config.engine));
  }
  if (!status.ok()) return Finished(rpc, status);
  absl::StatusOr<ModelStatus> model = FindModel(request->name());
  if (!model.ok()) return Finished(rpc, model.status());
  if (request->has_wait() && !request->wait()) {
    *response = ToProto(*model);
    return Finished(rpc, absl::OkStatus());
  }

  auto* reactor = new LoadReactor(this, request->name(), response);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    waiting_.emplace(request->name(), reactor);
  }
  // The load may have ended before it could be waited for.
  model = FindModel(request->name());
  if (!model.ok()) {
    if (TakeOut(reactor)) reactor->Finish(ToGrpcStatus(model.status()));
  } else if (model->state != ModelState::kLoading && TakeOut(reactor)) {
    reactor->Answer(*model);
  }
  return reactor;
}

grpc::ServerUnaryReactor* ModelsService::UnloadModel(grpc::CallbackServerContext* rpc,
                                                     const v1::UnloadModelRequest* request,
                                                     v1::UnloadModelResponse* response) {
  grpc::ServerUnaryReactor* reactor = rpc->DefaultReactor();
  absl::Status status = context_.auth.Check(*rpc);
  if (status.ok() && request->name().empty()) {
    status = FieldError("name", "is empty; name the model to unload");
  }
  if (status.ok()) {
    Log(LogLevel::kInfo, "model unload requested",
        {{"model", request->name()}, {"peer", rpc->peer()}});
    status = context_.admin.Post(0, [this, reactor, name = request->name()] {
      const absl::Status unloaded = context_.models.Unload(name);
      if (unloaded.ok()) readiness_->Forget(name);
      Log(unloaded.ok() ? LogLevel::kInfo : LogLevel::kWarn, "model unloaded",
          {{"model", name}, {"error", unloaded.message()}});
      reactor->Finish(ToGrpcStatus(unloaded));
    });
  }
  if (!status.ok()) reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

grpc::ServerUnaryReactor* ModelsService::GetServerInfo(grpc::CallbackServerContext* rpc,
                                                       const v1::GetServerInfoRequest* request,
                                                       v1::ServerInfo* response) {
  const absl::Status status = context_.auth.Check(*rpc);
  if (status.ok()) {
    response->set_version(Version());
    response->set_draining(context_.calls.draining());
    const auto uptime = std::chrono::steady_clock::now() - started_;
    response->set_uptime_seconds(std::chrono::duration<double>(uptime).count());
    response->set_max_receive_bytes(context_.config.grpc.max_receive_bytes);
    response->set_stream_buffer_bytes(context_.config.grpc.stream_buffer_bytes);
  }
  return Finished(rpc, status);
}

}  // namespace quantd
