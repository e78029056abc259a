#ifndef QUANTD_SERVER_CLI_REMOTE_H_
#define QUANTD_SERVER_CLI_REMOTE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"

namespace CLI {
class App;
}

namespace quantd {

/// How to reach a server, and how long to wait for it.
struct RemoteFlags {
  std::string server = "127.0.0.1:8433";
  double timeout = 0;  ///< seconds for the call, once connected; 0 = none
  bool tls = false;
  std::string tls_ca, tls_cert, tls_key;
  std::string token, token_file;
};

/// Adds the flags to a subcommand; `timeout` is the default of --timeout.
void AddRemoteFlags(CLI::App* command, RemoteFlags* flags, double timeout);

/// A channel to the server, connected. Errors: INVALID_ARGUMENT for a bad certificate file;
/// UNAVAILABLE when the server cannot be reached within one to five seconds, by --timeout.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const RemoteFlags& flags);

/// Makes a call: connects, sets deadline and token, cancels the call when the user interrupts, and
/// reports errors on stderr under the name `command`, with the fields that the server finds wrong.
/// Returns the exit code of commands.h.
using RemoteCall =
    std::function<grpc::Status(const std::shared_ptr<grpc::Channel>&, grpc::ClientContext*)>;
int CallRemote(const std::string& command, const RemoteFlags& flags, const RemoteCall& call);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_REMOTE_H_
