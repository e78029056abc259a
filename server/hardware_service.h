#ifndef QUANTD_SERVER_HARDWARE_SERVICE_H_
#define QUANTD_SERVER_HARDWARE_SERVICE_H_

#include "quantd/v1/hardware.grpc.pb.h"
#include "server/service_context.h"

namespace quantd {

/// quantd.v1.Hardware: reports on this machine, its kernels and what they do for a model.
/// Thread-safe; must outlive the gRPC server.
class HardwareService final : public v1::Hardware::CallbackService {
 public:
  explicit HardwareService(const ServiceContext& context) : context_(context) {}

  grpc::ServerUnaryReactor* GetHardware(grpc::CallbackServerContext* rpc,
                                        const v1::GetHardwareRequest* request,
                                        v1::GetHardwareResponse* response) override;
  grpc::ServerUnaryReactor* ListKernels(grpc::CallbackServerContext* rpc,
                                        const v1::ListKernelsRequest* request,
                                        v1::ListKernelsResponse* response) override;
  grpc::ServerUnaryReactor* ExplainModel(grpc::CallbackServerContext* rpc,
                                         const v1::ExplainModelRequest* request,
                                         v1::ExplainModelResponse* response) override;

 private:
  const ServiceContext context_;
};

}  // namespace quantd

#endif  // QUANTD_SERVER_HARDWARE_SERVICE_H_
