#include "server/security.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"

namespace quantd {
namespace {

constexpr absl::string_view kScheme = "Bearer ";

absl::StatusOr<std::string> ReadSecret(absl::string_view field, const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes;
  if (in) bytes.assign(std::istreambuf_iterator<char>(in), {});
  if (!in || in.bad()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": cannot read ", path, ": ", std::strerror(errno)));
  }
  if (bytes.empty())
    return absl::InvalidArgumentError(absl::StrCat(field, ": ", path, " is empty"));
  return bytes;
}

// Takes the same time wherever the first difference is.
bool SameSecret(absl::string_view a, absl::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

absl::Status CheckPem(absl::string_view field, const std::string& path, const std::string& bytes) {
  if (absl::StrContains(bytes, "-----BEGIN ")) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", path, " is no PEM file"));
}

}  // namespace

absl::StatusOr<Authenticator> Authenticator::FromFile(const std::string& path) {
  Authenticator authenticator;
  if (path.empty()) return authenticator;
  QUANTD_ASSIGN_OR_RETURN(const std::string bytes, ReadSecret("grpc.auth_token_file", path));
  const absl::string_view token = absl::StripAsciiWhitespace(bytes);
  for (const unsigned char c : token) {
    if (!absl::ascii_isgraph(c)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "grpc.auth_token_file: ", path, " must hold one token of printable ASCII, no spaces"));
    }
  }
  if (token.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("grpc.auth_token_file: ", path, " holds no token"));
  }
  authenticator.token_ = std::string(token);
  return authenticator;
}

absl::Status Authenticator::CheckHeader(absl::string_view authorization) const {
  if (token_.empty()) return absl::OkStatus();
  if (!absl::StartsWith(authorization, kScheme)) {
    return absl::UnauthenticatedError(
        "this server asks for a token: send the metadata 'authorization: Bearer TOKEN'");
  }
  if (!SameSecret(authorization.substr(kScheme.size()), token_)) {
    return absl::UnauthenticatedError("the bearer token is wrong");
  }
  return absl::OkStatus();
}

absl::Status Authenticator::Check(const grpc::ServerContextBase& context) const {
  if (token_.empty()) return absl::OkStatus();
  const auto& metadata = context.client_metadata();
  const auto it = metadata.find("authorization");
  if (it == metadata.end()) return CheckHeader("");
  return CheckHeader(absl::string_view(it->second.data(), it->second.size()));
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const ServerConfig::Grpc& config) {
  if (config.tls_cert.empty() && config.tls_key.empty()) return grpc::InsecureServerCredentials();
  QUANTD_ASSIGN_OR_RETURN(std::string cert, ReadSecret("grpc.tls_cert", config.tls_cert));
  QUANTD_ASSIGN_OR_RETURN(std::string key, ReadSecret("grpc.tls_key", config.tls_key));
  QUANTD_RETURN_IF_ERROR(CheckPem("grpc.tls_cert", config.tls_cert, cert));
  QUANTD_RETURN_IF_ERROR(CheckPem("grpc.tls_key", config.tls_key, key));
  grpc::SslServerCredentialsOptions options;
  if (!config.tls_client_ca.empty()) {
    QUANTD_ASSIGN_OR_RETURN(options.pem_root_certs,
                            ReadSecret("grpc.tls_client_ca", config.tls_client_ca));
    QUANTD_RETURN_IF_ERROR(
        CheckPem("grpc.tls_client_ca", config.tls_client_ca, options.pem_root_certs));
    options.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  options.pem_key_cert_pairs.push_back({std::move(key), std::move(cert)});
  return grpc::SslServerCredentials(options);
}

}  // namespace quantd
