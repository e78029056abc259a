#ifndef QUANTD_TESTS_INTEGRATION_SERVER_FIXTURE_H_
#define QUANTD_TESTS_INTEGRATION_SERVER_FIXTURE_H_

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "quantd/v1/hardware.grpc.pb.h"
#include "quantd/v1/inference.grpc.pb.h"
#include "quantd/v1/models.grpc.pb.h"
#include "server/daemon.h"
#include "server/logging.h"
#include "tests/support/test_data.h"

namespace quantd {

inline constexpr char kDemoModel[] = "config/models/shakespeare-6m-f16.gguf";
inline constexpr char kSecondModel[] = "config/models/shakespeare-6m-Q4_0.gguf";

/// Tokens of a request that must still run while a test does things to it: a second's work at
/// least.
inline constexpr int kLongTokens = 8000;

/// The demo model with its context_length raised so that kLongTokens fit: written once per process.
/// What it says that far out makes no sense, which these tests do not ask for.
inline const std::string& LongContextModel() {
  // Never destroyed: the exit handler still reads it.
  static const auto* const kPath = [] {
    std::string file = ReadFileOrDie(SourcePath(kDemoModel));
    const std::string key = "llama.context_length";
    const uint32_t context = kLongTokens + 100;
    const size_t at = file.find(key);
    if (at == std::string::npos) {
      ADD_FAILURE() << kDemoModel << " has no " << key;
    } else {  // the key, its type (u32), the value
      std::memcpy(file.data() + at + key.size() + sizeof(uint32_t), &context, sizeof(context));
    }
    const std::string to = absl::StrCat(::testing::TempDir(), "long-", getpid(), ".gguf");
    std::ofstream(to, std::ios::binary) << file;
    std::atexit([] { unlink(LongContextModel().c_str()); });
    return new std::string(to);
  }();
  return *kPath;
}

/// Calls `done` until it is true, for a minute at most (a sanitizer on a busy machine is slow).
inline bool Eventually(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < end) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return done();
}

/// Everything that one stream brought.
struct StreamResult {
  grpc::Status status;
  std::optional<v1::PromptInfo> prompt;
  v1::Delta output;  // all deltas together
  std::optional<v1::Finished> finished;
  int events = 0;
  bool in_order = true;  // prompt, deltas, finished
};

/// A real daemon with the demo model on ports of its own, and stubs for it.
class ServerTest : public ::testing::Test {
 protected:
  /// One thread computes: two wait for each other many times in each step, which takes minutes on
  /// a busy machine.
  static ServerConfig DemoConfig() {
    ServerConfig config;
    config.grpc.address = "127.0.0.1:0";
    config.http.address = "127.0.0.1:0";
    config.runtime.threads = 1;
    ModelSpec spec;
    spec.name = "demo";
    spec.path = SourcePath(kDemoModel);
    config.models.push_back(spec);
    return config;
  }
  /// For Long requests; no drain ends before they do, however slow the machine.
  static ServerConfig LongConfig() {
    ServerConfig config = DemoConfig();
    config.models[0].path = LongContextModel();
    config.shutdown.drain = absl::Minutes(10);
    return config;
  }

  void StartDaemon(const ServerConfig& config) {
    ASSERT_TRUE(SetUpLogging("error", "text").ok());
    auto daemon = Daemon::Start(config);
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    daemon_ = *std::move(daemon);
    channel_ = grpc::CreateChannel(Address(), grpc::InsecureChannelCredentials());
    inference_ = v1::Inference::NewStub(channel_);
    models_ = v1::Models::NewStub(channel_);
    hardware_ = v1::Hardware::NewStub(channel_);
    health_ = grpc::health::v1::Health::NewStub(channel_);
  }
  void StartDemo(const ServerConfig& config = DemoConfig()) {
    ASSERT_NO_FATAL_FAILURE(StartDaemon(config));
    const absl::Status ready = daemon_->AwaitModels(absl::Seconds(60));
    ASSERT_TRUE(ready.ok()) << ready;
  }

  std::string Address() const { return absl::StrCat("127.0.0.1:", daemon_->grpc_port()); }

  static v1::GenerateRequest Greedy(const std::string& text, int max_tokens) {
    v1::GenerateRequest request;
    request.set_text(text);
    request.set_max_tokens(max_tokens);
    request.mutable_sampling()->set_temperature(0);
    return request;
  }
  /// Runs long enough for tests to do things to it; needs LongConfig.
  static v1::GenerateRequest Long(const std::string& id, int tokens = kLongTokens) {
    v1::GenerateRequest request = Greedy("ROMEO:", tokens);
    request.set_request_id(id);
    request.set_ignore_eos(true);
    return request;
  }

  grpc::Status Generate(const v1::GenerateRequest& request, v1::GenerateResponse* response) {
    grpc::ClientContext context;
    return inference_->Generate(&context, request, response);
  }
  grpc::Status Generate(const v1::GenerateRequest& request) {
    v1::GenerateResponse response;
    return Generate(request, &response);
  }

  StreamResult Stream(const v1::GenerateRequest& request) {
    grpc::ClientContext context;
    const auto reader = inference_->GenerateStream(&context, request);
    return ReadAll(*reader);
  }
  static StreamResult ReadAll(grpc::ClientReader<v1::GenerateEvent>& reader) {
    StreamResult result;
    v1::GenerateEvent event;
    while (reader.Read(&event)) Add(event, &result);
    result.status = reader.Finish();
    return result;
  }
  static void Add(const v1::GenerateEvent& event, StreamResult* result) {
    ++result->events;
    if (result->finished.has_value()) result->in_order = false;
    if (event.has_prompt() != (result->events == 1)) result->in_order = false;
    if (event.has_prompt()) result->prompt = event.prompt();
    if (event.has_finished()) result->finished = event.finished();
    if (!event.has_delta()) return;
    const v1::Delta& delta = event.delta();
    result->output.mutable_token_ids()->MergeFrom(delta.token_ids());
    result->output.mutable_logprobs()->MergeFrom(delta.logprobs());
    result->output.mutable_text()->append(delta.text());
  }

  v1::EngineState EngineOf(const std::string& model) {
    grpc::ClientContext context;
    v1::GetModelRequest request;
    request.set_name(model);
    v1::Model response;
    EXPECT_TRUE(models_->GetModel(&context, request, &response).ok());
    return response.engine();
  }
  bool Abort(const std::string& id) {
    grpc::ClientContext context;
    v1::AbortRequest request;
    request.set_request_id(id);
    v1::AbortResponse response;
    EXPECT_TRUE(inference_->Abort(&context, request, &response).ok());
    return response.found();
  }
  /// -1 for an error.
  int Health(const std::string& service) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::health::v1::HealthCheckResponse response;
    return health_->Check(&context, request, &response).ok() ? response.status() : -1;
  }

  std::unique_ptr<Daemon> daemon_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Inference::Stub> inference_;
  std::unique_ptr<v1::Models::Stub> models_;
  std::unique_ptr<v1::Hardware::Stub> hardware_;
  std::unique_ptr<grpc::health::v1::Health::Stub> health_;
};

}  // namespace quantd

#endif  // QUANTD_TESTS_INTEGRATION_SERVER_FIXTURE_H_
