// Generation through a real daemon: the same answers as the goldens, streamed or not, alone or
// among others, and what is refused.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "server/status_mapping.h"
#include "tests/integration/server_fixture.h"

namespace quantd {
namespace {

using ::testing::ElementsAreArray;

class ServerGenerateTest : public ServerTest {
 protected:
  /// The cases of tests/golden/`file` through GenerateStream: equal ids, and logits that differ by
  /// at most `tolerance` of the largest.
  void ExpectGoldens(const std::string& file, float tolerance) {
    const auto cases = nlohmann::json::parse(ReadFileOrDie(SourcePath("tests/golden/" + file)));
    ASSERT_FALSE(cases.empty());
    for (const auto& expected : cases) {
      const auto prompt = expected["prompt_ids"].get<std::vector<int32_t>>();
      const auto ids = expected["greedy_ids"].get<std::vector<int32_t>>();
      const auto logits = expected["logits_after_prompt"].get<std::vector<float>>();
      v1::GenerateRequest request = Greedy("", static_cast<int>(ids.size()));
      request.mutable_token_ids()->mutable_ids()->Add(prompt.begin(), prompt.end());
      request.set_ignore_eos(true);
      request.set_return_prompt_logits(true);
      const StreamResult stream = Stream(request);
      ASSERT_TRUE(stream.status.ok()) << stream.status.error_message();
      EXPECT_THAT(stream.output.token_ids(), ElementsAreArray(ids));

      const auto& actual = stream.finished->prompt_logits();
      ASSERT_EQ(actual.size(), static_cast<int>(logits.size()));
      float largest = 0, error = 0;
      for (size_t i = 0; i < logits.size(); ++i) {
        largest = std::max(largest, std::abs(logits[i]));
        error = std::max(error, std::abs(actual[static_cast<int>(i)] - logits[i]));
      }
      EXPECT_LE(error, tolerance * largest);
    }
  }
};

TEST_F(ServerGenerateTest, ShakespeareInF16EqualsTheGoldens) {
  ServerConfig config = DemoConfig();
  config.runtime.threads = 2;
  ASSERT_NO_FATAL_FAILURE(StartDemo(config));
  ExpectGoldens("shakespeare-6m.expected.json", 2e-2f);
}

TEST_F(ServerGenerateTest, StoriesInF32EqualTheGoldens) {
  QUANTD_NEED_TEST_DATA(path, "models/stories260K-f32.gguf");
  ServerConfig config = DemoConfig();
  config.models[0].path = path;
  ASSERT_NO_FATAL_FAILURE(StartDemo(config));
  ExpectGoldens("stories260K.expected.json", 1e-3f);
}

TEST_F(ServerGenerateTest, StreamIsThePromptThenTheUnaryAnswerInPieces) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  std::vector<v1::GenerateRequest> requests = {Greedy("ROMEO:", 40), Greedy("KING", 40)};
  requests[1].mutable_sampling()->set_temperature(0.9);
  requests[1].mutable_sampling()->set_seed(7);
  requests[1].set_logprobs(3);
  for (const v1::GenerateRequest& request : requests) {
    v1::GenerateResponse unary;
    ASSERT_TRUE(Generate(request, &unary).ok());
    const StreamResult stream = Stream(request);
    ASSERT_TRUE(stream.status.ok()) << stream.status.error_message();
    EXPECT_TRUE(stream.in_order);
    ASSERT_TRUE(stream.prompt.has_value());
    ASSERT_TRUE(stream.finished.has_value());
    EXPECT_GE(stream.events, 3);
    EXPECT_EQ(stream.output.SerializeAsString(), unary.output().SerializeAsString());
    EXPECT_THAT(stream.prompt->token_ids(), ElementsAreArray(unary.prompt().token_ids()));
    EXPECT_EQ(stream.prompt->model(), "demo");
    EXPECT_FALSE(stream.prompt->request_id().empty());
    EXPECT_NE(stream.prompt->request_id(), unary.prompt().request_id());
    EXPECT_EQ(stream.finished->reason(), v1::FINISH_REASON_LENGTH);
    EXPECT_EQ(stream.finished->usage().completion_tokens(), 40);
    EXPECT_EQ(stream.finished->usage().prompt_tokens(), stream.prompt->prompt_tokens());
    EXPECT_EQ(unary.output().token_ids_size(), 40);
    EXPECT_EQ(unary.output().logprobs_size(), request.has_logprobs() ? 40 : 0);
  }
}

TEST_F(ServerGenerateTest, SixteenStreamsAtOnceEqualOneAtATime) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  const char* names[] = {"ROMEO", "JULIET", "KING", "First Citizen"};
  std::vector<v1::GenerateRequest> requests;
  for (int i = 0; i < 16; ++i) {
    requests.push_back(Greedy(absl::StrCat(names[i % 4], i % 3 == 0 ? ":" : ", ", i), 24 + i));
  }
  std::vector<StreamResult> alone, together(requests.size());
  for (const auto& request : requests) alone.push_back(Stream(request));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < requests.size(); ++i) {
    threads.emplace_back([&, i] { together[i] = Stream(requests[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < requests.size(); ++i) {
    ASSERT_TRUE(together[i].status.ok()) << together[i].status.error_message();
    EXPECT_TRUE(together[i].in_order);
    EXPECT_GT(alone[i].output.token_ids_size(), 0);
    EXPECT_EQ(together[i].output.SerializeAsString(), alone[i].output.SerializeAsString()) << i;
  }
}

TEST_F(ServerGenerateTest, StopStringsAndIdsSayWhatMatched) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  v1::GenerateResponse full;
  ASSERT_TRUE(Generate(Greedy("ROMEO:", 30), &full).ok());
  const std::string& text = full.output().text();
  ASSERT_GT(text.size(), 20u);

  v1::GenerateRequest request = Greedy("ROMEO:", 30);
  const std::string stop = text.substr(10, 4);
  request.add_stop("never said in that play");
  request.add_stop(stop);
  v1::GenerateResponse response;
  ASSERT_TRUE(Generate(request, &response).ok());
  EXPECT_EQ(response.finished().reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(response.finished().matched_stop(), stop);
  EXPECT_FALSE(response.finished().has_matched_stop_id());
  EXPECT_EQ(response.output().text(), text.substr(0, text.find(stop)));

  request = Greedy("ROMEO:", 30);
  request.add_stop_ids(full.output().token_ids(5));
  ASSERT_TRUE(Generate(request, &response).ok());
  EXPECT_EQ(response.finished().reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(response.finished().matched_stop_id(), full.output().token_ids(5));
  EXPECT_LE(response.output().token_ids_size(), 6);
}

// ---- What is refused. Each case: a change that spoils a good request, the code, the field.

struct BadCase {
  const char* name;
  std::function<void(v1::GenerateRequest*)> spoil;
  grpc::StatusCode code;
  const char* field;
};

std::vector<BadCase> BadCases() {
  using R = v1::GenerateRequest;
  const auto bad = grpc::StatusCode::INVALID_ARGUMENT;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const auto sampling = [](R* r) { return r->mutable_sampling(); };
  return {
      {"no prompt", [](R* r) { r->clear_prompt(); }, bad, "prompt"},
      {"no tokens", [](R* r) { r->mutable_token_ids(); }, bad, "token_ids.ids"},
      {"empty text", [](R* r) { r->set_text(std::string()); }, bad, "text"},
      {"negative id", [](R* r) { r->mutable_token_ids()->add_ids(-1); }, bad, "token_ids.ids[0]"},
      {"id = vocabulary",
       [](R* r) {
         r->mutable_token_ids()->add_ids(5);
         r->mutable_token_ids()->add_ids(2048);
       },
       bad, "token_ids.ids[1]"},
      {"prompt beyond the context",
       [](R* r) {
         for (int i = 0; i < 257; ++i) r->mutable_token_ids()->add_ids(5);
       },
       bad, "token_ids.ids"},
      {"text beyond the context", [](R* r) { r->set_text(std::string(1 << 20, 'q')); }, bad,
       "text"},
      {"long request id", [](R* r) { r->set_request_id(std::string(129, 'x')); }, bad,
       "request_id"},
      {"max_tokens 0", [](R* r) { r->set_max_tokens(0); }, bad, "max_tokens"},
      {"max_tokens -1", [](R* r) { r->set_max_tokens(-1); }, bad, "max_tokens"},
      {"min_tokens -1", [](R* r) { r->set_min_tokens(-1); }, bad, "min_tokens"},
      {"min_tokens above max", [](R* r) { r->set_min_tokens(9); }, bad, "min_tokens"},
      {"logprobs -1", [](R* r) { r->set_logprobs(-1); }, bad, "logprobs"},
      {"huge logprobs", [](R* r) { r->set_logprobs(1 << 30); }, bad, "logprobs"},
      {"empty stop", [](R* r) { r->add_stop(std::string()); }, bad, "stop[0]"},
      {"10k stops",
       [](R* r) {
         for (int i = 0; i < 10000; ++i) r->add_stop(std::string("x"));
       },
       bad, "stop"},
      {"stop id", [](R* r) { r->add_stop_ids(1 << 30); }, bad, "stop_ids[0]"},
      {"temperature NaN", [=](R* r) { sampling(r)->set_temperature(nan); }, bad,
       "sampling.temperature"},
      {"temperature inf", [=](R* r) { sampling(r)->set_temperature(inf); }, bad,
       "sampling.temperature"},
      {"temperature -1", [=](R* r) { sampling(r)->set_temperature(-1); }, bad,
       "sampling.temperature"},
      {"top_k -1", [=](R* r) { sampling(r)->set_top_k(-1); }, bad, "sampling.top_k"},
      {"top_p 0", [=](R* r) { sampling(r)->set_top_p(0); }, bad, "sampling.top_p"},
      {"top_p NaN", [=](R* r) { sampling(r)->set_top_p(nan); }, bad, "sampling.top_p"},
      {"min_p 1.5", [=](R* r) { sampling(r)->set_min_p(1.5); }, bad, "sampling.min_p"},
      {"repetition_penalty 0", [=](R* r) { sampling(r)->set_repetition_penalty(0); }, bad,
       "sampling.repetition_penalty"},
      {"frequency_penalty 3", [=](R* r) { sampling(r)->set_frequency_penalty(3); }, bad,
       "sampling.frequency_penalty"},
      {"presence_penalty -inf", [=](R* r) { sampling(r)->set_presence_penalty(-inf); }, bad,
       "sampling.presence_penalty"},
      {"huge bias", [=](R* r) { (*sampling(r)->mutable_logit_bias())[5] = 1e30f; }, bad,
       "sampling.logit_bias"},
      {"bias of no token", [=](R* r) { (*sampling(r)->mutable_logit_bias())[-5] = 1; }, bad,
       "sampling.logit_bias[0]"},
      {"unknown model", [](R* r) { r->set_model("nope"); }, grpc::StatusCode::NOT_FOUND, ""},
  };
}

TEST_F(ServerGenerateTest, BadFieldsAreNamed) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  for (const BadCase& bad : BadCases()) {
    SCOPED_TRACE(bad.name);
    v1::GenerateRequest request = Greedy("ROMEO:", 8);
    bad.spoil(&request);
    const grpc::Status unary = Generate(request);
    const StreamResult stream = Stream(request);
    for (const grpc::Status& status : {unary, stream.status}) {
      EXPECT_EQ(status.error_code(), bad.code) << status.error_message();
      EXPECT_THAT(status.error_message(),
                  ::testing::Not(::testing::ContainsRegex("0x[0-9a-f]{6,}")));
      const v1::ErrorDetail detail = DetailOf(status);
      if (*bad.field == '\0') {
        EXPECT_EQ(detail.field_violations_size(), 0);
        continue;
      }
      ASSERT_EQ(detail.field_violations_size(), 1) << status.error_message();
      EXPECT_EQ(detail.field_violations(0).field(), bad.field);
      EXPECT_FALSE(detail.field_violations(0).description().empty());
      EXPECT_TRUE(absl::StartsWith(status.error_message(), bad.field));
    }
    EXPECT_EQ(stream.events, 0);
  }
  // Nothing of all that is left behind, and the server still serves.
  EXPECT_TRUE(Generate(Greedy("ROMEO:", 4)).ok());
  EXPECT_TRUE(Eventually([&] { return EngineOf("demo").kv_blocks_used() == 0; }));
}

TEST_F(ServerGenerateTest, BeginTokenIsAddedOnRequestOnly) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  v1::GenerateResponse plain, with, ids;
  v1::GenerateRequest request = Greedy("ROMEO:", 1);
  ASSERT_TRUE(Generate(request, &plain).ok());
  request.set_add_bos(true);
  ASSERT_TRUE(Generate(request, &with).ok());
  request.mutable_token_ids()->mutable_ids()->MergeFrom(plain.prompt().token_ids());
  ASSERT_TRUE(Generate(request, &ids).ok());
  // The demo model's vocabulary has a begin token but asks for none.
  ASSERT_EQ(with.prompt().prompt_tokens(), plain.prompt().prompt_tokens() + 1);
  EXPECT_THAT(ids.prompt().token_ids(), ElementsAreArray(with.prompt().token_ids()));
  for (int i = 0; i < plain.prompt().prompt_tokens(); ++i) {
    EXPECT_EQ(with.prompt().token_ids(i + 1), plain.prompt().token_ids(i));
  }
}

TEST_F(ServerGenerateTest, OversizedAndCompressedMessagesAreRefused) {
  ServerConfig config = DemoConfig();
  config.grpc.max_receive_bytes = 64 << 10;
  ASSERT_NO_FATAL_FAILURE(StartDemo(config));
  // A request of `size` bytes in all.
  const auto sized = [](size_t size) {
    v1::GenerateRequest request;
    request.set_text("");
    request.set_text(std::string(size - 4, 'q'));
    request.set_text(std::string(size - (request.ByteSizeLong() - size) - 4, 'q'));
    EXPECT_EQ(request.ByteSizeLong(), size);
    return request;
  };
  // At the limit it arrives, and is then too long for the model.
  EXPECT_EQ(Generate(sized(64 << 10)).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Generate(sized((64 << 10) + 1)).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);

  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  v1::GenerateResponse response;
  EXPECT_EQ(
      inference_->Generate(&context, Greedy(std::string(9000, 'q'), 4), &response).error_code(),
      grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_TRUE(Generate(Greedy("ROMEO:", 4)).ok());
}

}  // namespace
}  // namespace quantd
