// The program itself: signals and exit codes of `quantd serve`.
#include <signal.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "server/cli/commands.h"
#include "tests/integration/process.h"
#include "tests/integration/server_fixture.h"

namespace quantd {
namespace {

class ServerProcessTest : public ServerTest {
 protected:
  void SetUp() override {
    if (Program("quantd").empty())
      GTEST_SKIP() << "needs the program quantd; build it, or set QUANTD_BINARY";
  }
  /// Right for busy machines, as LongConfig. The model comes last.
  static std::vector<std::string> DemoArguments(const std::string& model = SourcePath(kDemoModel)) {
    return {"--grpc-address",   "127.0.0.1:0",  "--http-address",    "127.0.0.1:0",
            "--shutdown-drain", "10m",          "--runtime-threads", "1",
            "--model",          "demo=" + model};
  }
};

/// Streams at work on a server of another process.
class Streams {
 public:
  Streams(const std::string& address, int count, const v1::GenerateRequest& request)
      : stub_(v1::Inference::NewStub(
            grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))) {
    results_.resize(count);
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this, i, request] {
        grpc::ClientContext context;
        const auto reader = stub_->GenerateStream(&context, request);
        v1::GenerateEvent event;
        while (reader->Read(&event)) {
          if (event.has_prompt()) ++started_;
          results_[i].tokens += event.delta().token_ids_size();
        }
        results_[i].status = reader->Finish();
      });
    }
  }
  ~Streams() { Join(); }
  bool AwaitStarted() {
    return Eventually([&] { return started_ == static_cast<int>(results_.size()); });
  }
  void Join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  struct Result {
    grpc::Status status;
    int tokens = 0;
  };
  const std::vector<Result>& results() const { return results_; }

 private:
  std::unique_ptr<v1::Inference::Stub> stub_;
  std::atomic<int> started_{0};
  std::vector<Result> results_;
  std::vector<std::thread> threads_;
};

v1::GenerateRequest Request(int tokens) {
  v1::GenerateRequest request;
  request.set_text("ROMEO:");
  request.set_max_tokens(tokens);
  request.set_ignore_eos(true);
  request.mutable_sampling()->set_temperature(0);
  return request;
}

TEST_F(ServerProcessTest, SigtermFinishesSixteenStreamsAndExitsZero) {
  ServerProcess server(DemoArguments());
  ASSERT_TRUE(server.AwaitLog(" ready ")) << server.ReadLog();
  Streams streams(server.Address(), 16, Request(200));
  ASSERT_TRUE(streams.AwaitStarted());
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), kExitOk) << server.ReadLog();
  streams.Join();
  for (const Streams::Result& result : streams.results()) {
    EXPECT_TRUE(result.status.ok()) << result.status.error_message();
    EXPECT_EQ(result.tokens, 200);
  }
}

TEST_F(ServerProcessTest, SecondSigtermCancelsTheRest) {
  ServerProcess server(DemoArguments(LongContextModel()));
  ASSERT_TRUE(server.AwaitLog(" ready ")) << server.ReadLog();
  Streams streams(server.Address(), 16, Request(kLongTokens));
  ASSERT_TRUE(streams.AwaitStarted());
  server.Signal(SIGTERM);
  ASSERT_TRUE(server.AwaitLog("draining"));
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), kExitInterrupted) << server.ReadLog();
  streams.Join();
  int cancelled = 0;
  for (const Streams::Result& result : streams.results()) {
    cancelled += result.status.error_code() == grpc::StatusCode::CANCELLED ? 1 : 0;
  }
  EXPECT_GT(cancelled, 0);
}

TEST_F(ServerProcessTest, IdleServerStopsAtOnce) {
  ServerProcess server(DemoArguments());
  ASSERT_TRUE(server.AwaitLog("listening")) << server.ReadLog();
  server.Signal(SIGINT);  // most likely while the model is loading
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(server.Wait(), kExitOk) << server.ReadLog();
  // Far from the drain's time.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::minutes(1));
}

TEST_F(ServerProcessTest, KilledClientFreesItsBlocks) {
  if (Program("quantctl").empty()) GTEST_SKIP() << "needs the program quantctl; build it";
  ServerProcess server(DemoArguments(LongContextModel()));
  ASSERT_TRUE(server.AwaitLog(" ready ")) << server.ReadLog();
  models_ = v1::Models::NewStub(
      grpc::CreateChannel(server.Address(), grpc::InsecureChannelCredentials()));
  Process client("quantctl", {"stream", "--server", server.Address(), "--prompt", "ROMEO:", "-n",
                              std::to_string(kLongTokens), "--ignore-eos", "--greedy"});
  ASSERT_TRUE(Eventually([&] { return !client.ReadLog().empty(); }));
  EXPECT_GT(EngineOf("demo").kv_blocks_used(), 0);
  client.Signal(SIGKILL);
  EXPECT_EQ(client.Wait(), 128 + SIGKILL);
  EXPECT_TRUE(Eventually([&] {
    const v1::EngineState state = EngineOf("demo");
    return state.kv_blocks_used() == 0 && state.running() == 0;
  }));
  EXPECT_LT(EngineOf("demo").steps(), static_cast<uint64_t>(kLongTokens));
}

TEST_F(ServerProcessTest, ExitCodesSayWhatWasWrong) {
  std::vector<std::string> arguments = DemoArguments();
  arguments.back() = "demo=/nowhere/model.gguf";
  ServerProcess no_model(arguments);
  EXPECT_EQ(no_model.Wait(), kExitFailure) << no_model.ReadLog();
  EXPECT_THAT(no_model.ReadLog(), ::testing::HasSubstr("/nowhere/model.gguf"));

  ServerProcess unknown_flag({"--no-such-flag"});
  EXPECT_EQ(unknown_flag.Wait(), kExitUsage);
  ServerProcess bad_value({"--grpc-address", "nonsense"});
  EXPECT_EQ(bad_value.Wait(), kExitUsage);
  EXPECT_THAT(bad_value.ReadLog(), ::testing::HasSubstr("grpc.address"));
  ServerProcess bad_model({"--model", "nonsense"});
  EXPECT_EQ(bad_model.Wait(), kExitUsage);
  ServerProcess no_file({"--config", "/nowhere/quantd.yaml"});
  EXPECT_EQ(no_file.Wait(), kExitUsage);
  ServerProcess check({"--check-config", "--config", SourcePath("config/quantd.yaml")});
  EXPECT_EQ(check.Wait(), kExitOk) << check.ReadLog();

  ServerProcess first(DemoArguments());
  ASSERT_TRUE(first.AwaitLog("listening")) << first.ReadLog();
  arguments = DemoArguments();
  arguments[1] = first.Address();
  ServerProcess second(arguments);
  EXPECT_EQ(second.Wait(), kExitUnavailable) << second.ReadLog();
  EXPECT_THAT(second.ReadLog(), ::testing::HasSubstr("grpc.address"));
}

}  // namespace
}  // namespace quantd
