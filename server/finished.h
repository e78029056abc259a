#ifndef QUANTD_SERVER_FINISHED_H_
#define QUANTD_SERVER_FINISHED_H_

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "server/status_mapping.h"

namespace quantd {

/// The reactor of a unary call whose answer is complete.
inline grpc::ServerUnaryReactor* Finished(grpc::CallbackServerContext* rpc,
                                          const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = rpc->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace quantd

#endif  // QUANTD_SERVER_FINISHED_H_
