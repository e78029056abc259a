#ifndef QUANTD_SERVER_INFERENCE_SERVICE_H_
#define QUANTD_SERVER_INFERENCE_SERVICE_H_

#include "quantd/v1/inference.grpc.pb.h"
#include "server/service_context.h"

namespace quantd {

/// quantd.v1.Inference. Callbacks only check and queue; the work happens in GenerationCall and on
/// the tokenizing queue. Thread-safe; must outlive the gRPC server.
class InferenceService final : public v1::Inference::CallbackService {
 public:
  explicit InferenceService(const ServiceContext& context) : context_(context) {}

  grpc::ServerUnaryReactor* Generate(grpc::CallbackServerContext* rpc,
                                     const v1::GenerateRequest* request,
                                     v1::GenerateResponse* response) override;
  grpc::ServerWriteReactor<v1::GenerateEvent>* GenerateStream(
      grpc::CallbackServerContext* rpc, const v1::GenerateRequest* request) override;
  grpc::ServerUnaryReactor* Abort(grpc::CallbackServerContext* rpc, const v1::AbortRequest* request,
                                  v1::AbortResponse* response) override;
  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* rpc,
                                     const v1::TokenizeRequest* request,
                                     v1::TokenizeResponse* response) override;
  grpc::ServerUnaryReactor* Detokenize(grpc::CallbackServerContext* rpc,
                                       const v1::DetokenizeRequest* request,
                                       v1::DetokenizeResponse* response) override;

 private:
  const ServiceContext context_;
};

}  // namespace quantd

#endif  // QUANTD_SERVER_INFERENCE_SERVICE_H_
