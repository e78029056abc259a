#ifndef QUANTD_SERVER_SECURITY_H_
#define QUANTD_SERVER_SECURITY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_context.h"
#include "server/config.h"

namespace quantd {

/// Decides whether a call may be served: nothing is asked, or the metadata must hold
/// "authorization: Bearer TOKEN". Health checks and reflection are answered to everybody.
/// Immutable and thread-safe.
class Authenticator {
 public:
  /// Lets everybody in.
  Authenticator() = default;
  /// Reads the token, one line, from `path`; "" lets everybody in. Errors: INVALID_ARGUMENT naming
  /// the file when it cannot be read or holds no token.
  static absl::StatusOr<Authenticator> FromFile(const std::string& path);

  /// UNAUTHENTICATED, saying what is expected.
  absl::Status Check(const grpc::ServerContextBase& context) const;
  /// The same for the value of the header itself.
  absl::Status CheckHeader(absl::string_view authorization) const;

 private:
  std::string token_;  // "" = none is asked
};

/// Plaintext, or TLS with the certificate, key and client CA of the configuration. Errors:
/// INVALID_ARGUMENT naming the field and the file.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const ServerConfig::Grpc& config);

}  // namespace quantd

#endif  // QUANTD_SERVER_SECURITY_H_
