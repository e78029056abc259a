#ifndef QUANTD_SERVER_MODELS_SERVICE_H_
#define QUANTD_SERVER_MODELS_SERVICE_H_

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "quantd/v1/models.grpc.pb.h"
#include "server/readiness.h"
#include "server/service_context.h"

namespace quantd {

/// quantd.v1.Models. A LoadModel that waits holds no thread: it is answered when the manager tells
/// the model's state. Thread-safe; must outlive the gRPC server.
class ModelsService final : public v1::Models::CallbackService {
 public:
  ModelsService(const ServiceContext& context, Readiness* readiness)
      : context_(context), readiness_(readiness) {}

  /// To be called after every change of a model's state: answers who waits for it.
  void OnModelState(const ModelStatus& status);

  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* rpc,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* rpc,
                                     const v1::GetModelRequest* request,
                                     v1::Model* response) override;
  grpc::ServerUnaryReactor* LoadModel(grpc::CallbackServerContext* rpc,
                                      const v1::LoadModelRequest* request,
                                      v1::Model* response) override;
  grpc::ServerUnaryReactor* UnloadModel(grpc::CallbackServerContext* rpc,
                                        const v1::UnloadModelRequest* request,
                                        v1::UnloadModelResponse* response) override;
  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* rpc,
                                          const v1::GetServerInfoRequest* request,
                                          v1::ServerInfo* response) override;

 private:
  class LoadReactor;

  absl::StatusOr<ModelStatus> FindModel(const std::string& name) const;
  bool TakeOut(LoadReactor* reactor);  // false if somebody else answers it

  const ServiceContext context_;
  Readiness* const readiness_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  std::multimap<std::string, LoadReactor*> waiting_;  // taken out before they are finished
};

}  // namespace quantd

#endif  // QUANTD_SERVER_MODELS_SERVICE_H_
