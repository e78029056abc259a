#include "server/hardware_service.h"

#include <memory>

#include "kernels/base/thread_pool.h"
#include "server/convert.h"
#include "server/finished.h"

namespace quantd {

grpc::ServerUnaryReactor* HardwareService::GetHardware(grpc::CallbackServerContext* rpc,
                                                       const v1::GetHardwareRequest* request,
                                                       v1::GetHardwareResponse* response) {
  const absl::Status status = context_.auth.Check(*rpc);
  if (status.ok()) {
    *response = ToProto(context_.runtime.hardware(), context_.runtime.kernels().forced(),
                        context_.runtime.pool().size());
  }
  return Finished(rpc, status);
}

grpc::ServerUnaryReactor* HardwareService::ListKernels(grpc::CallbackServerContext* rpc,
                                                       const v1::ListKernelsRequest* request,
                                                       v1::ListKernelsResponse* response) {
  const absl::Status status = context_.auth.Check(*rpc);
  if (status.ok()) {
    for (const KernelStatus& kernel : context_.runtime.kernels().Report()) {
      if (!request->op().empty() && request->op() != kernel.op) continue;
      if (!request->format().empty() && request->format() != kernel.format) continue;
      *response->add_kernels() = ToProto(kernel);
    }
  }
  return Finished(rpc, status);
}

grpc::ServerUnaryReactor* HardwareService::ExplainModel(grpc::CallbackServerContext* rpc,
                                                        const v1::ExplainModelRequest* request,
                                                        v1::ExplainModelResponse* response) {
  absl::Status status = context_.auth.Check(*rpc);
  if (status.ok()) {
    const auto model = context_.models.Get(request->model());
    if (model.ok()) *response = ToProto((*model)->spec().name, (*model)->model().Report());
    status = model.status();
  }
  return Finished(rpc, status);
}

}  // namespace quantd
