// Who may call: bearer token, TLS, client certificates.
#include <unistd.h>

#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "server/cli/commands.h"
#include "server/cli/quantctl.h"
#include "tests/integration/server_fixture.h"

namespace quantd {
namespace {

// A self-signed certificate for localhost and 127.0.0.1, valid 2020 to 2120, and its key; they
// guard nothing but this test. Made with `openssl genpkey` and `openssl ca -selfsign`.
constexpr char kKey[] = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgg//SZjkUz/KaOGpS
Qg1X0szicVMsg7/gJCC9HHPy0wKhRANCAARrfnE9Z8CHJajFaHLQwxeIf/fpJxwf
03exM46ae2KWIdkgDRkXliV7rn2IaE+BK+/sR3Upv0j+Ymz7RYyiSdv0
-----END PRIVATE KEY-----
)";
constexpr char kCertificate[] = R"(-----BEGIN CERTIFICATE-----
MIIBaDCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGt+cT1nwIclqMVo
ctDDF4h/9+knHB/Td7Ezjpp7YpYh2SANGReWJXuufYhoT4Er7+xHdSm/SP5ibPtF
jKJJ2/SjTjBMMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNVHRMBAf8E
BTADAQH/MB0GA1UdDgQWBBReAX4lBKgxIwwIEXzpVcTMQU0mzTAKBggqhkjOPQQD
AgNJADBGAiEAqQkypJo9kk5vPZxup19cxoJC9QArQB+h8xEoG8Aiz+cCIQCGmxnx
8724BWQkONXjJJ/NUIbWNmkNNyt6MOei7qMTCQ==
-----END CERTIFICATE-----
)";

class ServerSecurityTest : public ServerTest {
 protected:
  static std::string Write(const std::string& name, const std::string& bytes) {
    const std::string path =
        ::testing::TempDir() + "quantd-" + std::to_string(getpid()) + "-" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  static ServerConfig TlsConfig() {
    ServerConfig config = DemoConfig();
    config.grpc.tls_cert = Write("cert.pem", kCertificate);
    config.grpc.tls_key = Write("key.pem", kKey);
    return config;
  }
  grpc::Status List(const std::shared_ptr<grpc::Channel>& channel, const std::string& header) {
    grpc::ClientContext context;
    if (!header.empty()) context.AddMetadata("authorization", header);
    v1::ListModelsResponse response;
    return v1::Models::NewStub(channel)->ListModels(&context, {}, &response);
  }
};

TEST_F(ServerSecurityTest, TokenIsAskedOfEveryServiceButNotOfHealthChecks) {
  ServerConfig config = DemoConfig();
  config.grpc.auth_token_file = Write("token", "s3cret\n");
  ASSERT_NO_FATAL_FAILURE(StartDemo(config));
  EXPECT_TRUE(List(channel_, "Bearer s3cret").ok());
  for (const char* wrong : {"", "Bearer s3cre", "Bearer s3cret2", "Bearer S3cret", "s3cret",
                            "Basic s3cret", "Bearer "}) {
    EXPECT_EQ(List(channel_, wrong).error_code(), grpc::StatusCode::UNAUTHENTICATED) << wrong;
  }
  EXPECT_EQ(Generate(Greedy("a", 1)).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Stream(Greedy("a", 1)).status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  grpc::ClientContext tokenize, abort, hardware;
  v1::TokenizeResponse tokens;
  EXPECT_EQ(inference_->Tokenize(&tokenize, {}, &tokens).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  v1::AbortResponse aborted;
  EXPECT_EQ(inference_->Abort(&abort, {}, &aborted).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  v1::GetHardwareResponse machine;
  EXPECT_EQ(hardware_->GetHardware(&hardware, {}, &machine).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Health(""), grpc::health::v1::HealthCheckResponse::SERVING);

  const char* with_token[] = {"quantctl",
                              "models",
                              "--json",
                              "--server",
                              nullptr,
                              "--token-file",
                              config.grpc.auth_token_file.c_str()};
  const std::string address = Address();
  with_token[4] = address.c_str();
  EXPECT_EQ(QuantctlMain(7, with_token, ""), kExitOk);
  EXPECT_EQ(QuantctlMain(5, with_token, ""), kExitFailure);
}

TEST_F(ServerSecurityTest, TlsServesThoseWhoTrustItAndNobodyInPlaintext) {
  ASSERT_NO_FATAL_FAILURE(StartDemo(TlsConfig()));
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = kCertificate;
  EXPECT_TRUE(List(grpc::CreateChannel(Address(), grpc::SslCredentials(options)), "").ok());
  EXPECT_EQ(List(channel_, "").error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerSecurityTest, ClientCertificatesAreRequiredWhenAnAuthorityIsGiven) {
  ServerConfig config = TlsConfig();
  config.grpc.tls_client_ca = config.grpc.tls_cert;
  ASSERT_NO_FATAL_FAILURE(StartDemo(config));
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = kCertificate;
  EXPECT_FALSE(List(grpc::CreateChannel(Address(), grpc::SslCredentials(options)), "").ok());
  options.pem_cert_chain = kCertificate;
  options.pem_private_key = kKey;
  EXPECT_TRUE(List(grpc::CreateChannel(Address(), grpc::SslCredentials(options)), "").ok());
}

TEST_F(ServerSecurityTest, BadFilesAreNamedAtStart) {
  struct Case {
    std::string ServerConfig::Grpc::*field;
    std::string path;
    const char* what;
  };
  const Case cases[] = {
      {&ServerConfig::Grpc::tls_cert, "/nowhere/cert.pem", "grpc.tls_cert"},
      {&ServerConfig::Grpc::tls_key, Write("empty", ""), "grpc.tls_key"},
      {&ServerConfig::Grpc::tls_key, Write("text", "no key"), "grpc.tls_key"},
      {&ServerConfig::Grpc::tls_client_ca, "/nowhere/ca.pem", "grpc.tls_client_ca"},
      {&ServerConfig::Grpc::auth_token_file, "/nowhere/token", "grpc.auth_token_file"},
      {&ServerConfig::Grpc::auth_token_file, Write("blank", " \n"), "grpc.auth_token_file"},
      {&ServerConfig::Grpc::auth_token_file, Write("two", "two words"), "grpc.auth_token_file"},
  };
  for (const Case& bad : cases) {
    ServerConfig config = TlsConfig();
    config.grpc.*bad.field = bad.path;
    const auto daemon = Daemon::Start(config);
    ASSERT_FALSE(daemon.ok()) << bad.path;
    EXPECT_TRUE(absl::IsInvalidArgument(daemon.status())) << daemon.status();
    EXPECT_THAT(daemon.status().message(), ::testing::HasSubstr(bad.what));
    EXPECT_THAT(daemon.status().message(), ::testing::HasSubstr(bad.path));
  }
}

}  // namespace
}  // namespace quantd
