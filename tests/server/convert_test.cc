#include "server/convert.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/formats/gguf.h"
#include "runtime/tokenizer/ids_only_tokenizer.h"
#include "server/status_mapping.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class ConvertTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto file = GgufFile::Open(SourcePath("config/models/shakespeare-6m-f16.gguf"));
    ASSERT_TRUE(file.ok()) << file.status();
    auto tokenizer = Tokenizer::FromGguf(**file);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
  }
  Request Convert(const v1::GenerateRequest& request) {
    auto converted = ToEngineRequest(request, *tokenizer_, chat_template_);
    EXPECT_TRUE(converted.ok()) << converted.status();
    return converted.ok() ? *std::move(converted) : Request();
  }
  std::unique_ptr<Tokenizer> tokenizer_;
  absl::StatusOr<const ChatTemplate*> chat_template_ =
      absl::FailedPreconditionError("m.gguf: tokenizer.chat_template: missing");
};

TEST_F(ConvertTest, AbsentFieldsAreTheEnginesDefaults) {
  v1::GenerateRequest proto;
  proto.mutable_token_ids()->add_ids(7);
  proto.mutable_sampling();
  const Request request = Convert(proto);
  const Request defaults;
  EXPECT_THAT(request.prompt, ElementsAre(7));
  EXPECT_EQ(request.sampling.temperature, 1.0f);
  EXPECT_EQ(request.sampling.top_k, 0);
  EXPECT_EQ(request.sampling.top_p, 1.0f);
  EXPECT_EQ(request.sampling.min_p, 0.0f);
  EXPECT_EQ(request.sampling.repetition_penalty, 1.0f);
  EXPECT_EQ(request.sampling.frequency_penalty, 0.0f);
  EXPECT_EQ(request.sampling.presence_penalty, 0.0f);
  EXPECT_FALSE(request.sampling.seed.has_value());
  EXPECT_EQ(request.sampling.logprobs, -1);
  EXPECT_EQ(request.max_tokens, defaults.max_tokens);
  EXPECT_EQ(request.min_tokens, 0);
  EXPECT_FALSE(request.ignore_eos || request.want_prompt_logits);
}

TEST(ConvertWithoutTextTest, OnlyTokenIdsAreTaken) {
  const absl::Status why = absl::UnimplementedError("m: tokenizer: of an unknown kind");
  const IdsOnlyTokenizer tokenizer(100, std::nullopt, {}, why);
  const absl::StatusOr<const ChatTemplate*> no_chat = absl::NotFoundError("none");
  v1::GenerateRequest proto;
  proto.mutable_token_ids()->add_ids(7);
  EXPECT_TRUE(ToEngineRequest(proto, tokenizer, no_chat).ok());
  proto.add_stop("end");
  EXPECT_EQ(ToEngineRequest(proto, tokenizer, no_chat).status(), why);
  proto.clear_stop();
  proto.set_text("a");
  EXPECT_EQ(ToEngineRequest(proto, tokenizer, no_chat).status(), why);
  proto.mutable_chat();
  EXPECT_EQ(ToEngineRequest(proto, tokenizer, no_chat).status(), why);
}

TEST_F(ConvertTest, PresentFieldsArriveEvenWhenZero) {
  v1::GenerateRequest proto;
  proto.mutable_token_ids()->add_ids(7);
  v1::SamplingParams* sampling = proto.mutable_sampling();
  sampling->set_temperature(0);
  sampling->set_top_k(3);
  sampling->set_top_p(0);
  sampling->set_min_p(0.25);
  sampling->set_repetition_penalty(0);
  sampling->set_frequency_penalty(-1);
  sampling->set_presence_penalty(1);
  sampling->set_seed(0);
  (*sampling->mutable_logit_bias())[5] = -2;
  (*sampling->mutable_logit_bias())[6] = 2;
  proto.set_logprobs(0);
  proto.set_max_tokens(9);
  proto.set_min_tokens(4);
  proto.add_stop("end");
  proto.add_stop_ids(11);
  proto.set_ignore_eos(true);
  proto.set_priority(-3);
  proto.set_cache_salt("tenant");
  proto.set_return_prompt_logits(true);
  const Request request = Convert(proto);
  EXPECT_EQ(request.sampling.temperature, 0.0f);
  EXPECT_EQ(request.sampling.top_k, 3);
  EXPECT_EQ(request.sampling.top_p, 0.0f) << "a wrong value must reach the engine's check";
  EXPECT_EQ(request.sampling.min_p, 0.25f);
  EXPECT_EQ(request.sampling.repetition_penalty, 0.0f);
  EXPECT_EQ(request.sampling.frequency_penalty, -1.0f);
  EXPECT_EQ(request.sampling.presence_penalty, 1.0f);
  EXPECT_EQ(request.sampling.seed, 0u);
  EXPECT_THAT(request.sampling.logit_bias, UnorderedElementsAre(Pair(5, -2.0f), Pair(6, 2.0f)));
  EXPECT_EQ(request.sampling.logprobs, 0);
  EXPECT_EQ(request.max_tokens, 9);
  EXPECT_EQ(request.min_tokens, 4);
  EXPECT_THAT(request.stop, ElementsAre("end"));
  EXPECT_THAT(request.stop_ids, ElementsAre(11));
  EXPECT_TRUE(request.ignore_eos);
  EXPECT_EQ(request.priority, -3);
  EXPECT_EQ(request.cache_salt, "tenant");
  EXPECT_TRUE(request.want_prompt_logits);
}

TEST_F(ConvertTest, EngineFieldsGetTheClientsNames) {
  v1::GenerateRequest text, ids;
  text.set_text("a");
  ids.mutable_token_ids();
  const auto name = [](const char* message, const v1::GenerateRequest& request) {
    const absl::Status status = NameClientField(absl::InvalidArgumentError(message), request);
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    return std::string(status.message());
  };
  EXPECT_EQ(name("top_p: 2 is much", text), "sampling.top_p: 2 is much");
  EXPECT_EQ(name("logit_bias of token 3: 1 is much", text),
            "sampling.logit_bias of token 3: 1 is much");
  EXPECT_EQ(name("prompt: too long", text), "text: too long");
  EXPECT_EQ(name("prompt[4]: no token", ids), "token_ids.ids[4]: no token");
  EXPECT_EQ(name("stop[1]: empty", ids), "stop[1]: empty");
  EXPECT_EQ(name("id: long", ids), "request_id: long");
  EXPECT_EQ(name("nothing named here", ids), "nothing named here");
  const absl::Status other = absl::UnavailableError("prompt: not a field here");
  EXPECT_EQ(NameClientField(other, text), other);
}

TEST_F(ConvertTest, ConversationsReachTheTemplate) {
  v1::GenerateRequest proto;
  v1::ChatMessages* chat = proto.mutable_chat();
  v1::ChatMessage* message = chat->add_messages();
  message->set_role("tool");
  message->set_content("");
  message->set_reasoning("r");
  message->set_name("n");
  message->set_tool_call_id("i");
  chat->add_messages()->set_tool_calls_json("[1]");
  chat->set_tools_json("[2]");
  chat->set_variables_json("{}");
  const Conversation conversation = ToConversation(*chat);
  ASSERT_EQ(conversation.messages.size(), 2u);
  EXPECT_EQ(conversation.messages[0].role, "tool");
  EXPECT_EQ(conversation.messages[0].content, "");
  EXPECT_EQ(conversation.messages[0].reasoning, "r");
  EXPECT_EQ(conversation.messages[0].name, "n");
  EXPECT_EQ(conversation.messages[0].tool_call_id, "i");
  EXPECT_FALSE(conversation.messages[1].content.has_value());
  EXPECT_EQ(conversation.messages[1].tool_calls_json, "[1]");
  EXPECT_EQ(conversation.tools_json, "[2]");
  EXPECT_EQ(conversation.variables_json, "{}");
  EXPECT_TRUE(conversation.add_generation_prompt);
  chat->set_add_generation_prompt(false);
  EXPECT_FALSE(ToConversation(*chat).add_generation_prompt);

  const auto refused = ToEngineRequest(proto, *tokenizer_, chat_template_);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_EQ(NameClientField(absl::InvalidArgumentError("prompt: long"), proto).message(),
            "chat.messages: long");
}

TEST(ConvertEventsTest, DeltaHoldsLogprobsOnlyWhenAsked) {
  Delta delta;
  delta.text = "ab";
  delta.tokens.push_back({4, -0.5f, {{4, -0.5f}, {9, -1.0f}}});
  EXPECT_EQ(ToProto(delta, /*logprobs=*/false).logprobs_size(), 0);
  const v1::Delta proto = ToProto(delta, /*logprobs=*/true);
  EXPECT_EQ(proto.text(), "ab");
  EXPECT_THAT(proto.token_ids(), ElementsAre(4));
  ASSERT_EQ(proto.logprobs_size(), 1);
  EXPECT_EQ(proto.logprobs(0).logprob(), -0.5f);
  ASSERT_EQ(proto.logprobs(0).top_size(), 2);
  EXPECT_EQ(proto.logprobs(0).top(1).token_id(), 9);
}

TEST(ConvertEventsTest, FinishSaysEverything) {
  Finish finish;
  finish.reason = FinishReason::kStop;
  finish.matched_stop_id = 0;
  finish.usage = {7, 3, 2};
  finish.timings.queue = absl::Milliseconds(1);
  finish.timings.prefill = absl::Milliseconds(2);
  finish.timings.decode = absl::Milliseconds(3);
  finish.timings.time_to_first_token = absl::Milliseconds(4);
  finish.timings.total = absl::Milliseconds(6);
  finish.prompt_logits = {1, -2};
  const v1::Finished proto = ToProto(finish);
  EXPECT_EQ(proto.reason(), v1::FINISH_REASON_STOP);
  EXPECT_TRUE(proto.has_matched_stop_id());
  EXPECT_EQ(proto.usage().prompt_tokens(), 7);
  EXPECT_EQ(proto.usage().cached_prompt_tokens(), 3);
  EXPECT_EQ(proto.usage().completion_tokens(), 2);
  EXPECT_DOUBLE_EQ(proto.timings().queue_seconds(), 0.001);
  EXPECT_DOUBLE_EQ(proto.timings().prefill_seconds(), 0.002);
  EXPECT_DOUBLE_EQ(proto.timings().decode_seconds(), 0.003);
  EXPECT_DOUBLE_EQ(proto.timings().time_to_first_token_seconds(), 0.004);
  EXPECT_DOUBLE_EQ(proto.timings().total_seconds(), 0.006);
  EXPECT_THAT(proto.prompt_logits(), ElementsAre(1, -2));
  // Every reason has a name of its own on the wire.
  const std::pair<FinishReason, v1::FinishReason> reasons[] = {
      {FinishReason::kLength, v1::FINISH_REASON_LENGTH},
      {FinishReason::kCancelled, v1::FINISH_REASON_CANCELLED},
      {FinishReason::kDeadline, v1::FINISH_REASON_DEADLINE},
      {FinishReason::kError, v1::FINISH_REASON_ERROR}};
  for (const auto& [reason, expected] : reasons) {
    finish.reason = reason;
    EXPECT_EQ(ToProto(finish).reason(), expected);
  }
}

TEST(ConvertReportsTest, TotalsSumUpWeightsOfOneKind) {
  WeightReport a{"a", "Q4_0", 2, 32, 36, 40, "d4", "b4", "avx2", false, "how"};
  WeightReport b = a, c = a;
  b.name = "b";
  b.packed_bytes = 60;
  c.format = "F16";
  c.decode_kernel = "d16";
  c.packed_bytes = 1000;
  const v1::ExplainModelResponse response = ToProto("m", {a, b, c});
  EXPECT_EQ(response.weights_size(), 3);
  EXPECT_EQ(response.weights(1).tensor(), "b");
  ASSERT_EQ(response.totals_size(), 2);
  EXPECT_EQ(response.totals(0).format(), "F16") << "most bytes first";
  EXPECT_EQ(response.totals(1).weights(), 2);
  EXPECT_EQ(response.totals(1).packed_bytes(), 100);
}

TEST(ConvertModelsTest, SpecTakesTheServersEngineOptions) {
  EngineOptions engine;
  engine.max_sequences = 5;
  v1::LoadModelRequest request;
  request.set_name("n");
  request.set_path("p");
  request.set_max_context(100);
  request.set_kv_cache_bytes(1 << 20);
  request.set_kv_cache_type(v1::KV_CACHE_TYPE_F32);
  const ModelSpec spec = ToModelSpec(request, engine);
  EXPECT_EQ(spec.name, "n");
  EXPECT_EQ(spec.path, "p");
  EXPECT_EQ(spec.max_context, 100);
  EXPECT_EQ(spec.kv_cache_bytes, 1 << 20);
  EXPECT_EQ(spec.kv_type, KvType::kF32);
  EXPECT_EQ(spec.engine.max_sequences, 5);
  EXPECT_EQ(ToModelSpec({}, engine).kv_type, std::nullopt);
}

}  // namespace
}  // namespace quantd
