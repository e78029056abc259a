#include "server/cli/remote.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "kernels/base/status_macros.h"
#include "server/cli/commands.h"
#include "server/cli/interrupt.h"
#include "server/cli/output.h"
#include "server/status_mapping.h"

namespace quantd {
namespace {

using Clock = std::chrono::system_clock;

/// How long to wait for a connection: as long as for the call, within these limits.
constexpr double kMinConnectSeconds = 1, kMaxConnectSeconds = 5;
/// How soon an interrupt is noticed.
constexpr std::chrono::milliseconds kPoll{50};

Clock::time_point After(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(
                            std::chrono::duration<double>(std::min(seconds, 1e9)));
}

absl::Status ReadFile(const char* flag, const std::string& path, std::string* bytes) {
  if (path.empty()) return absl::OkStatus();
  std::ifstream in(path, std::ios::binary);
  if (in) bytes->assign(std::istreambuf_iterator<char>(in), {});
  if (in && !bytes->empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": cannot read ", path, ": ", in ? "it is empty" : std::strerror(errno)));
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(
    const RemoteFlags& flags) {
  const bool tls = flags.tls || !flags.tls_ca.empty() || !flags.tls_cert.empty();
  if (!tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  QUANTD_RETURN_IF_ERROR(ReadFile("--tls-ca", flags.tls_ca, &options.pem_root_certs));
  QUANTD_RETURN_IF_ERROR(ReadFile("--tls-cert", flags.tls_cert, &options.pem_cert_chain));
  QUANTD_RETURN_IF_ERROR(ReadFile("--tls-key", flags.tls_key, &options.pem_private_key));
  return grpc::SslCredentials(options);
}

absl::StatusOr<std::string> Token(const RemoteFlags& flags) {
  std::string token = flags.token;
  if (token.empty()) QUANTD_RETURN_IF_ERROR(ReadFile("--token-file", flags.token_file, &token));
  return std::string(absl::StripAsciiWhitespace(token));
}

/// Waits for the channel; gives up at the first failure, so that a closed port is told at once.
bool AwaitReady(grpc::Channel& channel, Clock::time_point deadline) {
  while (true) {
    const grpc_connectivity_state state = channel.GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_READY) return true;
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN) return false;
    if (!channel.WaitForStateChange(state, deadline)) return false;
  }
}

/// Cancels a call when the user interrupts, as long as it lives.
class CancelOnInterrupt {
 public:
  explicit CancelOnInterrupt(grpc::ClientContext* context)
      : thread_([this, context] {
          while (!done_ && !InterruptScope::Interrupted()) std::this_thread::sleep_for(kPoll);
          if (!done_) context->TryCancel();
        }) {}
  ~CancelOnInterrupt() {
    done_ = true;
    thread_.join();
  }

 private:
  InterruptScope interrupts_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

int Report(const std::string& command, const grpc::Status& status, bool interrupted) {
  const absl::Status error = FromGrpcStatus(status);
  const v1::ErrorDetail detail = DetailOf(status);
  absl::FPrintF(stderr, "%s: %s: %s\n", command, absl::StatusCodeToString(error.code()),
                EscapeText(error.message()));
  for (const v1::FieldViolation& violation : detail.field_violations()) {
    absl::FPrintF(stderr, "  wrong field: %s\n", EscapeText(violation.field()));
  }
  if (detail.retry_delay_seconds() > 0) {
    absl::FPrintF(stderr, "  try again in %s s\n", FormatNumber(detail.retry_delay_seconds()));
  }
  if (interrupted) return kExitInterrupted;
  return absl::IsUnavailable(error) ? kExitUnavailable : kExitFailure;
}

}  // namespace

void AddRemoteFlags(CLI::App* command, RemoteFlags* flags, double timeout) {
  flags->timeout = timeout;
  const char* group = "Server";
  command->add_option("--server", flags->server, "Where quantd listens")
      ->type_name("HOST:PORT")
      ->envname("QUANTD_SERVER")
      ->capture_default_str()
      ->group(group);
  command
      ->add_option("--timeout", flags->timeout,
                   "Seconds for the call, once connected; 0 = no limit")
      ->type_name("S")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->group(group);
  command->add_flag("--tls", flags->tls, "Use TLS and trust the system's authorities")
      ->group(group);
  command->add_option("--tls-ca", flags->tls_ca, "Use TLS and trust these authorities (PEM)")
      ->type_name("FILE")
      ->group(group);
  CLI::Option* cert = command->add_option("--tls-cert", flags->tls_cert,
                                          "Client certificate (PEM), with --tls-key");
  CLI::Option* key = command->add_option("--tls-key", flags->tls_key, "Its private key (PEM)");
  cert->type_name("FILE")->needs(key)->group(group);
  key->type_name("FILE")->needs(cert)->group(group);
  command->add_option("--token", flags->token, "Bearer token; better in the environment or a file")
      ->type_name("TOKEN")
      ->envname("QUANTD_TOKEN")
      ->group(group);
  command->add_option("--token-file", flags->token_file, "File that holds the bearer token")
      ->type_name("FILE")
      ->group(group);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const RemoteFlags& flags) {
  QUANTD_ASSIGN_OR_RETURN(const auto credentials, MakeCredentials(flags));
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);  // logits of a large vocabulary are megabytes
  auto channel = grpc::CreateCustomChannel(flags.server, credentials, arguments);
  const double seconds = flags.timeout > 0
                             ? std::clamp(flags.timeout, kMinConnectSeconds, kMaxConnectSeconds)
                             : kMaxConnectSeconds;
  if (!AwaitReady(*channel, After(seconds))) {
    return absl::UnavailableError(
        absl::StrCat("cannot reach a server at ", flags.server,
                     "; is quantd running there, and does it use TLS as you do?"));
  }
  return channel;
}

int CallRemote(const std::string& command, const RemoteFlags& flags, const RemoteCall& call) {
  const absl::StatusOr<std::string> token = Token(flags);
  if (!token.ok()) return Fail(command, token.status());
  const auto channel = Connect(flags);
  if (!channel.ok()) return Fail(command, channel.status());

  grpc::ClientContext context;
  if (flags.timeout > 0) context.set_deadline(After(flags.timeout));
  if (!token->empty()) context.AddMetadata("authorization", absl::StrCat("Bearer ", *token));
  grpc::Status status;
  bool interrupted = false;
  {
    const CancelOnInterrupt cancel(&context);
    status = call(*channel, &context);
    interrupted = InterruptScope::Interrupted();
  }
  return status.ok() ? static_cast<int>(kExitOk) : Report(command, status, interrupted);
}

}  // namespace quantd
