// How requests end early: cancelled, aborted, late, too slow, too many, or with the server.
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "server/status_mapping.h"
#include "tests/integration/server_fixture.h"
#include "tests/support/http.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;

class ServerLifecycleTest : public ServerTest {
 protected:
  // An ended request gives its blocks back first and its id a moment later.
  bool IsForgotten(const std::string& id) {
    return Eventually([&] { return !Abort(id); });
  }
};

TEST_F(ServerLifecycleTest, KilledClientFreesItsBlocks) {
  ASSERT_NO_FATAL_FAILURE(StartDemo(LongConfig()));
  auto context = std::make_unique<grpc::ClientContext>();
  const auto reader = inference_->GenerateStream(context.get(), Long("killed"));
  v1::GenerateEvent event;
  ASSERT_TRUE(reader->Read(&event));
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_GT(EngineOf("demo").kv_blocks_used(), 0);
  context->TryCancel();
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return EngineOf("demo").kv_blocks_used() == 0; }));
  EXPECT_LT(EngineOf("demo").steps(), static_cast<uint64_t>(kLongTokens));
  EXPECT_TRUE(IsForgotten("killed"));
}

TEST_F(ServerLifecycleTest, AbortEndsTheStreamWithinTwoSteps) {
  ASSERT_NO_FATAL_FAILURE(StartDemo(LongConfig()));
  grpc::ClientContext context;
  const auto reader = inference_->GenerateStream(&context, Long("aborted"));
  StreamResult result;
  v1::GenerateEvent event;
  for (int i = 0; i < 3 && reader->Read(&event); ++i) Add(event, &result);
  ASSERT_EQ(result.events, 3);
  EXPECT_EQ(result.prompt->request_id(), "aborted");
  // The id is taken while the request lives.
  EXPECT_EQ(Generate(Long("aborted")).error_code(), grpc::StatusCode::ALREADY_EXISTS);

  EXPECT_TRUE(Abort("aborted"));
  const uint64_t steps = EngineOf("demo").steps();
  while (reader->Read(&event)) Add(event, &result);
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  ASSERT_TRUE(result.finished.has_value());
  EXPECT_EQ(result.finished->reason(), v1::FINISH_REASON_CANCELLED);
  EXPECT_TRUE(Eventually([&] { return EngineOf("demo").kv_blocks_used() == 0; }));
  EXPECT_LE(EngineOf("demo").steps(), steps + 2);

  EXPECT_TRUE(IsForgotten("aborted"));
  EXPECT_FALSE(Abort("never was"));
  grpc::ClientContext empty;
  v1::AbortResponse response;
  EXPECT_EQ(inference_->Abort(&empty, {}, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServerLifecycleTest, MetricsAndProbesAreAnsweredWhileItComputes) {
  ASSERT_NO_FATAL_FAILURE(StartDemo(LongConfig()));
  grpc::ClientContext context;
  const auto reader = inference_->GenerateStream(&context, Long("running"));
  v1::GenerateEvent event;
  ASSERT_TRUE(reader->Read(&event));
  ASSERT_TRUE(Eventually([&] { return EngineOf("demo").running() == 1; }));
  const uint64_t steps = EngineOf("demo").steps();
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(HttpGet(daemon_->http_port(), "/metrics"),
                HasSubstr("quantd_requests_running{model=\"demo\"} 1"));
    EXPECT_THAT(HttpGet(daemon_->http_port(), "/healthz"), HasSubstr(" 200 "));
    EXPECT_THAT(HttpGet(daemon_->http_port(), "/readyz"), HasSubstr(" 200 "));
  }
  EXPECT_TRUE(Eventually([&] { return EngineOf("demo").steps() > steps; }));
  EXPECT_TRUE(Abort("running"));
}

TEST_F(ServerLifecycleTest, DeadlinesEndQueuedAndRunningRequests) {
  ServerConfig config = LongConfig();
  config.engine.max_sequences = 1;
  config.models[0].engine = config.engine;
  ASSERT_NO_FATAL_FAILURE(StartDemo(config));
  for (const int milliseconds : {1, 60}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::milliseconds(milliseconds));
    v1::GenerateResponse response;
    EXPECT_EQ(inference_->Generate(&context, Long(""), &response).error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED)
        << milliseconds;
  }
  // One request runs, the other waits for its place until its time is over.
  grpc::ClientContext running, queued;
  const auto reader = inference_->GenerateStream(&running, Long("running"));
  v1::GenerateEvent event;
  ASSERT_TRUE(reader->Read(&event));
  queued.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(30));
  v1::GenerateResponse response;
  EXPECT_EQ(inference_->Generate(&queued, Long("queued"), &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(Abort("running"));
  EXPECT_TRUE(Eventually([&] {
    const v1::EngineState state = EngineOf("demo");
    return state.kv_blocks_used() == 0 && state.waiting() == 0 && state.running() == 0;
  }));
  // A request may reach the server after its client's time is over, and ends there at once.
  EXPECT_TRUE(IsForgotten("queued"));
}

TEST_F(ServerLifecycleTest, FullQueueAnswersWithARetryDelay) {
  ServerConfig config = LongConfig();
  config.engine.max_sequences = 1;
  config.engine.max_queued_requests = 1;
  config.models[0].engine = config.engine;
  ASSERT_NO_FATAL_FAILURE(StartDemo(config));
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::GenerateEvent>>> readers;
  const auto open = [&](const std::string& id) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(inference_->GenerateStream(contexts.back().get(), Long(id)));
  };
  open("runs");
  v1::GenerateEvent event;
  ASSERT_TRUE(readers[0]->Read(&event));
  open("waits");
  ASSERT_TRUE(Eventually([&] { return EngineOf("demo").waiting() == 1; }));
  const grpc::Status refused = Generate(Long("refused"));
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_GT(DetailOf(refused).retry_delay_seconds(), 0);
  for (auto& context : contexts) context->TryCancel();
}

TEST_F(ServerLifecycleTest, SlowReaderIsEndedAndHoldsNobodyUp) {
  ServerConfig config = LongConfig();
  config.grpc.stream_buffer_bytes = 4 << 10;
  ASSERT_NO_FATAL_FAILURE(StartDemo(config));
  // A client whose connection takes little more than what it reads.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1 << 10);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt("test.own_connection", 1);
  const auto slow_stub = v1::Inference::NewStub(
      grpc::CreateCustomChannel(Address(), grpc::InsecureChannelCredentials(), arguments));
  v1::GenerateRequest request = Long("slow");
  request.set_logprobs(20);  // some 2 MB in all
  grpc::ClientContext context;
  const auto reader = slow_stub->GenerateStream(&context, request);
  v1::GenerateEvent event;
  ASSERT_TRUE(reader->Read(&event));

  EXPECT_TRUE(Generate(Greedy("KING", 20)).ok());
  EXPECT_TRUE(Eventually([&] { return EngineOf("demo").kv_blocks_used() == 0; }));
  EXPECT_TRUE(IsForgotten("slow"));
  StreamResult result;
  while (reader->Read(&event)) Add(event, &result);
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_FALSE(result.finished.has_value());
  EXPECT_LT(result.output.token_ids_size(), kLongTokens);
}

TEST_F(ServerLifecycleTest, DrainRefusesTheNewAndFinishesTheRunning) {
  ASSERT_NO_FATAL_FAILURE(StartDemo(LongConfig()));
  grpc::ClientContext context;
  const auto reader = inference_->GenerateStream(&context, Long("running", 2000));
  StreamResult result;
  v1::GenerateEvent event;
  ASSERT_TRUE(reader->Read(&event));
  Add(event, &result);
  EXPECT_EQ(Health(""), grpc::health::v1::HealthCheckResponse::SERVING);

  bool finished = false;
  std::thread drain([&] { finished = daemon_->Drain(); });
  EXPECT_TRUE(
      Eventually([&] { return Health("") == grpc::health::v1::HealthCheckResponse::NOT_SERVING; }));
  EXPECT_EQ(Health("demo"), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  ASSERT_TRUE(Eventually(
      [&] { return Generate(Greedy("a", 1)).error_code() == grpc::StatusCode::UNAVAILABLE; }));
  while (reader->Read(&event)) Add(event, &result);
  EXPECT_TRUE(reader->Finish().ok());
  drain.join();
  EXPECT_TRUE(finished);
  EXPECT_EQ(result.output.token_ids_size(), 2000);
  EXPECT_TRUE(absl::IsUnavailable(daemon_->AwaitModels(absl::ZeroDuration())));
}

TEST_F(ServerLifecycleTest, CancelAllCutsADrainShort) {
  ASSERT_NO_FATAL_FAILURE(StartDemo(LongConfig()));
  grpc::ClientContext context;
  const auto reader = inference_->GenerateStream(&context, Long("running"));
  StreamResult result;
  v1::GenerateEvent event;
  ASSERT_TRUE(reader->Read(&event));
  Add(event, &result);
  bool finished = true;
  std::thread drain([&] { finished = daemon_->Drain(); });
  ASSERT_TRUE(
      Eventually([&] { return Health("") == grpc::health::v1::HealthCheckResponse::NOT_SERVING; }));
  daemon_->CancelAll();
  while (reader->Read(&event)) Add(event, &result);
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  drain.join();
  EXPECT_FALSE(finished);
  EXPECT_LT(result.output.token_ids_size(), kLongTokens);
  ASSERT_TRUE(result.finished.has_value());
  EXPECT_EQ(result.finished->reason(), v1::FINISH_REASON_CANCELLED);
}

TEST_F(ServerLifecycleTest, DrainTimeIsBounded) {
  ServerConfig config = LongConfig();
  config.shutdown.drain = absl::Milliseconds(50);
  ASSERT_NO_FATAL_FAILURE(StartDemo(config));
  grpc::ClientContext context;
  const auto reader = inference_->GenerateStream(&context, Long("running"));
  v1::GenerateEvent event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_FALSE(daemon_->Drain());
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ServerLifecycleTest, DestructionEndsRunningStreams) {
  ASSERT_NO_FATAL_FAILURE(StartDemo(LongConfig()));
  grpc::ClientContext context;
  const auto reader = inference_->GenerateStream(&context, Long("running"));
  v1::GenerateEvent event;
  ASSERT_TRUE(reader->Read(&event));
  daemon_.reset();
  while (reader->Read(&event)) {
  }
  EXPECT_FALSE(reader->Finish().ok());
}

}  // namespace
}  // namespace quantd
