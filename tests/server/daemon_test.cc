// Start and stop of the daemon without a model; what it serves is tested in tests/integration.
#include "server/daemon.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/logging.h"
#include "tests/support/http.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;

ServerConfig EmptyConfig() {
  EXPECT_TRUE(SetUpLogging("error", "text").ok());
  ServerConfig config;
  config.grpc.address = "127.0.0.1:0";
  config.http.address = "127.0.0.1:0";
  config.runtime.threads = 1;
  return config;
}

TEST(DaemonTest, ListensOnFreePortsAndTellsThem) {
  const auto daemon = Daemon::Start(EmptyConfig());
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  EXPECT_GT((*daemon)->grpc_port(), 0);
  EXPECT_GT((*daemon)->http_port(), 0);
  EXPECT_EQ((*daemon)->grpc_address(), absl::StrCat("127.0.0.1:", (*daemon)->grpc_port()));
  EXPECT_EQ((*daemon)->http_address(), absl::StrCat("127.0.0.1:", (*daemon)->http_port()));
  // No model is required, so none is missing.
  EXPECT_TRUE((*daemon)->AwaitModels(absl::ZeroDuration()).ok());
}

TEST(DaemonTest, HttpCanBeOff) {
  ServerConfig config = EmptyConfig();
  config.http.address = "";
  const auto daemon = Daemon::Start(config);
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  EXPECT_EQ((*daemon)->http_port(), 0);
  EXPECT_EQ((*daemon)->http_address(), "");
}

TEST(DaemonTest, HttpFollowsTheStateOfTheServer) {
  ServerConfig config = EmptyConfig();
  ModelSpec spec;
  spec.name = "gone";
  spec.path = "/nowhere/model.gguf";
  config.models.push_back(spec);
  const auto daemon = Daemon::Start(config);
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  EXPECT_FALSE((*daemon)->AwaitModels(absl::Seconds(60)).ok());
  const int port = (*daemon)->http_port();
  EXPECT_THAT(HttpGet(port, "/healthz"), HasSubstr(" 200 "));
  const std::string ready = HttpGet(port, "/readyz");
  EXPECT_THAT(ready, HasSubstr(" 503 "));
  EXPECT_THAT(ready, HasSubstr("/nowhere/model.gguf"));
  EXPECT_THAT(HttpGet(port, "/metrics"), HasSubstr("quantd_build_info"));
  EXPECT_TRUE((*daemon)->Drain());
  EXPECT_THAT(HttpGet(port, "/readyz"), HasSubstr("shutting down"));
  EXPECT_THAT(HttpGet(port, "/healthz"), HasSubstr(" 200 "))
      << "draining is no failure of the process";
}

TEST(DaemonTest, TakenPortsAreNamed) {
  const auto first = Daemon::Start(EmptyConfig());
  ASSERT_TRUE(first.ok()) << first.status();
  ServerConfig config = EmptyConfig();
  config.grpc.address = (*first)->grpc_address();
  const auto grpc = Daemon::Start(config);
  EXPECT_TRUE(absl::IsUnavailable(grpc.status())) << grpc.status();
  EXPECT_THAT(grpc.status().message(), HasSubstr("grpc.address"));
  config = EmptyConfig();
  config.http.address = (*first)->http_address();
  EXPECT_TRUE(absl::IsUnavailable(Daemon::Start(config).status()));
}

TEST(DaemonTest, ForcedKernelThatCannotRunIsAnError) {
  ServerConfig config = EmptyConfig();
  config.runtime.force_isa = "z80";
  const auto daemon = Daemon::Start(config);
  ASSERT_FALSE(daemon.ok());
  EXPECT_THAT(daemon.status().message(), HasSubstr("z80"));
}

TEST(DaemonTest, DrainingAnIdleServerIsQuickAndRepeatable) {
  const auto daemon = Daemon::Start(EmptyConfig());
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  EXPECT_TRUE((*daemon)->Drain());
  EXPECT_TRUE((*daemon)->Drain());
  (*daemon)->CancelAll();
  EXPECT_TRUE((*daemon)->Drain());
  EXPECT_TRUE((*daemon)->AwaitSettled().draining);
}

}  // namespace
}  // namespace quantd
