#include "server/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/host_port.h"
#include "tests/support/http.h"

namespace quantd {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Request(int port, const std::string& method, const std::string& path) {
  return Exchange(port, absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: x\r\n\r\n"));
}

HttpServer::Handlers Healthy() {
  return {[] { return "quantd_up 1\n"; }, [] { return absl::OkStatus(); },
          [] { return absl::OkStatus(); }};
}

TEST(HttpServerTest, ServesMetricsProbesAndIndex) {
  const auto server = HttpServer::Start("127.0.0.1:0", Healthy());
  ASSERT_TRUE(server.ok()) << server.status();
  const int port = (*server)->port();
  ASSERT_GT(port, 0);
  const std::string metrics = Request(port, "GET", "/metrics");
  EXPECT_THAT(metrics, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(metrics, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(metrics, EndsWith("\r\n\r\nquantd_up 1\n"));
  EXPECT_THAT(Request(port, "GET", "/healthz"), EndsWith("\r\n\r\nok\n"));
  EXPECT_THAT(Request(port, "GET", "/readyz"), EndsWith("\r\n\r\nok\n"));
  const std::string index = Request(port, "GET", "/");
  EXPECT_THAT(index, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(index, HasSubstr("/metrics"));
}

TEST(HttpServerTest, FailedProbesSayWhy) {
  HttpServer::Handlers handlers = Healthy();
  handlers.live = [] { return absl::InternalError("engine of model 'a' is stuck"); };
  handlers.ready = [] { return absl::UnavailableError("model 'b' is loading"); };
  const auto server = HttpServer::Start("127.0.0.1:0", handlers);
  ASSERT_TRUE(server.ok());
  const std::string live = Request((*server)->port(), "GET", "/healthz");
  EXPECT_THAT(live, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(live, EndsWith("\r\n\r\nengine of model 'a' is stuck\n"));
  const std::string ready = Request((*server)->port(), "GET", "/readyz");
  EXPECT_THAT(ready, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(ready, EndsWith("\r\n\r\nmodel 'b' is loading\n"));
}

TEST(HttpServerTest, HeadHasHeadersOnly) {
  const auto server = HttpServer::Start("127.0.0.1:0", Healthy());
  ASSERT_TRUE(server.ok());
  const std::string head = Request((*server)->port(), "HEAD", "/metrics");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(head, HasSubstr("Content-Length: 12\r\n"));
  EXPECT_THAT(head, EndsWith("\r\n\r\n"));
}

TEST(HttpServerTest, EverythingElseIsRefused) {
  HttpServer::Handlers handlers = Healthy();
  handlers.metrics = []() -> std::string { throw std::runtime_error("secret"); };
  const auto server = HttpServer::Start("127.0.0.1:0", handlers);
  ASSERT_TRUE(server.ok());
  const int port = (*server)->port();
  for (const char* path : {"/metric", "/metrics/", "/../etc/passwd", "/healthz/x", "//"}) {
    EXPECT_THAT(Request(port, "GET", path), StartsWith("HTTP/1.1 404")) << path;
  }
  EXPECT_THAT(Request(port, "POST", "/healthz"), Not(StartsWith("HTTP/1.1 2")));
  EXPECT_THAT(Exchange(port, "nonsense\r\n\r\n"), Not(StartsWith("HTTP/1.1 2")));
  EXPECT_THAT(Exchange(port, "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 4096\r\n\r\n" +
                                 std::string(4096, 'a')),
              Not(HasSubstr("HTTP/1.1 500")));
  const std::string thrown = Request(port, "GET", "/metrics");
  EXPECT_THAT(thrown, StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(thrown, Not(HasSubstr("secret")));
  EXPECT_THAT(Request(port, "GET", "/healthz"), StartsWith("HTTP/1.1 200"));
}

TEST(HttpServerTest, LargeBodyIsRefused) {
  const auto server = HttpServer::Start("127.0.0.1:0", Healthy());
  ASSERT_TRUE(server.ok());
  const std::string answer = Exchange(
      (*server)->port(), "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n");
  EXPECT_THAT(answer, Not(StartsWith("HTTP/1.1 2")));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 4"));
}

TEST(HttpServerTest, TakenPortIsUnavailable) {
  const auto first = HttpServer::Start("127.0.0.1:0", Healthy());
  ASSERT_TRUE(first.ok());
  const std::string address = absl::StrCat("127.0.0.1:", (*first)->port());
  const auto second = HttpServer::Start(address, Healthy());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(address));
}

TEST(HttpServerTest, PortIsFreeAfterwards) {
  int port;
  {
    const auto server = HttpServer::Start("127.0.0.1:0", Healthy());
    ASSERT_TRUE(server.ok());
    port = (*server)->port();
    EXPECT_THAT(Request(port, "GET", "/"), StartsWith("HTTP/1.1 200"));
  }
  EXPECT_LT(ConnectTo(port), 0);
  EXPECT_TRUE(HttpServer::Start(absl::StrCat("127.0.0.1:", port), Healthy()).ok());
}

TEST(HttpServerTest, BadAddressesAreNamed) {
  for (const char* address :
       {"", "127.0.0.1", ":8080", "127.0.0.1:", "127.0.0.1:70000", "::1:80"}) {
    const auto server = HttpServer::Start(address, Healthy());
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << address;
  }
}

TEST(HttpServerTest, ManyClientsAreAllAnswered) {
  std::atomic<int> scrapes{0};
  HttpServer::Handlers handlers = Healthy();
  handlers.metrics = [&scrapes] {
    ++scrapes;
    return std::string(100000, 'm');
  };
  const auto server = HttpServer::Start("127.0.0.1:0", handlers);
  ASSERT_TRUE(server.ok());
  std::atomic<int> good{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 32; ++i) {
    clients.emplace_back([&] {
      for (int k = 0; k < 5; ++k) {
        const std::string answer = Request((*server)->port(), "GET", "/metrics");
        good += answer.size() > 100000 && answer.rfind("HTTP/1.1 200", 0) == 0;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 160);
  EXPECT_EQ(scrapes, 160);
}

TEST(HttpServerTest, IdleConnectionsDoNotHoldProbesForLong) {
  const auto server = HttpServer::Start("127.0.0.1:0", Healthy());
  ASSERT_TRUE(server.ok());
  std::vector<int> idle;
  for (int i = 0; i < 3; ++i) idle.push_back(ConnectTo((*server)->port()));
  EXPECT_THAT(Request((*server)->port(), "GET", "/healthz"), StartsWith("HTTP/1.1 200"));
  for (const int fd : idle) close(fd);
}

TEST(HostPortTest, AcceptsNamesAddressesAndBrackets) {
  const auto v4 = ParseHostPort("0.0.0.0:65535");
  ASSERT_TRUE(v4.ok());
  EXPECT_EQ(v4->host, "0.0.0.0");
  EXPECT_EQ(v4->port, 65535);
  const auto v6 = ParseHostPort("[::1]:0");
  ASSERT_TRUE(v6.ok());
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->port, 0);
  EXPECT_TRUE(ParseHostPort("localhost:80").ok());
}

TEST(HostPortTest, RefusesTheRest) {
  for (const char* address : {"x:65536", "x:0x1F", "x:-1", "x:+1", "x: 1", "x:1 ", "x:1e3",
                              "x:000001", "[]:1", "a b:1", "[::1]", "x\n:1"}) {
    EXPECT_EQ(ParseHostPort(address).status().code(), absl::StatusCode::kInvalidArgument)
        << address;
  }
}

}  // namespace
}  // namespace quantd
