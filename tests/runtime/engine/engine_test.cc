#include "runtime/engine/engine.h"

#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/engine/engine_fixture.h"

namespace quantd {
namespace {

using testing::HasSubstr;

TEST_F(EngineTest, GreedyEqualsReference) {
  Make({});
  const auto prompt = Prompt(70, 1);
  auto sink = Submit(Greedy(prompt, 50));
  const Finish finish = sink->AwaitFinish();
  const auto expected = GreedyReference(prompt, 50);
  EXPECT_EQ(sink->ids_, expected);
  EXPECT_TRUE(finish.status.ok());
  EXPECT_EQ(finish.usage.prompt_tokens, 70);
  EXPECT_EQ(finish.usage.completion_tokens, static_cast<int>(expected.size()));
  EXPECT_EQ(sink->start_usage_.prompt_tokens, 70);
  ExpectClean();
  EXPECT_EQ(observer_.total.prefill_tokens, 70);
  EXPECT_EQ(observer_.total.decode_tokens, static_cast<int>(expected.size()) - 1);
  EXPECT_EQ(observer_.first_tokens, 1);
  EXPECT_EQ(observer_.other_tokens, static_cast<int>(expected.size()) - 1);
  EXPECT_EQ(observer_.finishes, 1);
}

TEST_F(EngineTest, SixteenAtOnceEqualOneAtATime) {
  for (bool prefix_cache : {false, true}) {
    for (int blocks : {96, 12}) {  // 12: so few that sequences are preempted
      Setup setup;
      setup.options.prefix_cache = prefix_cache;
      setup.options.step_token_budget = 64;
      setup.options.max_sequences = 16;
      setup.blocks = blocks;
      Make(setup);
      const int before = observer_.total.preemptions;
      std::vector<std::shared_ptr<RecordingSink>> sinks;
      for (int i = 0; i < 16; ++i) {
        Request request = Greedy(Prompt(20 + 9 * (i % 5), i % 7), 100);
        request.ignore_eos = true;
        sinks.push_back(Submit(request));
      }
      for (int i = 0; i < 16; ++i) {
        EXPECT_EQ(sinks[i]->AwaitFinish().reason, FinishReason::kLength);
        EXPECT_EQ(sinks[i]->ids_, GreedyReference(Prompt(20 + 9 * (i % 5), i % 7), 100, true))
            << "request " << i << ", prefix cache " << prefix_cache << ", " << blocks << " blocks";
      }
      ExpectClean();
      EXPECT_EQ(observer_.total.preemptions > before, blocks == 12);
    }
  }
}

TEST_F(EngineTest, SeedGivesTheSameTokensAloneInCompanyAndPreempted) {
  std::vector<std::vector<int32_t>> alone;
  for (int blocks : {64, 9}) {
    Setup setup;
    setup.blocks = blocks;
    setup.options.step_token_budget = 64;
    Make(setup);
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (int i = 0; i < 8; ++i) {
      Request request;
      request.prompt = Prompt(30, i);
      request.max_tokens = 80;
      request.ignore_eos = true;
      request.sampling.seed = 100 + i % 4;
      request.sampling.top_p = 0.9f;
      request.sampling.repetition_penalty = 1.3f;
      sinks.push_back(Submit(request));
      if (blocks == 64) sinks.back()->AwaitFinish();
    }
    for (int i = 0; i < 8; ++i) {
      sinks[i]->AwaitFinish();
      if (blocks == 64) {
        alone.push_back(sinks[i]->ids_);
      } else {
        EXPECT_EQ(sinks[i]->ids_, alone[i]);
      }
    }
  }
  EXPECT_GT(observer_.total.preemptions, 0);
}

TEST_F(EngineTest, EqualPrefixesComeFromTheCache) {
  Make({});
  const auto prompt = Prompt(100, 3);
  const auto first = Submit(Greedy(prompt, 4));
  EXPECT_EQ(first->AwaitFinish().usage.cached_prompt_tokens, 0);
  const auto second = Submit(Greedy(prompt, 4));
  EXPECT_EQ(second->AwaitFinish().usage.cached_prompt_tokens, 96);
  EXPECT_EQ(second->start_usage_.cached_prompt_tokens, 96);
  EXPECT_EQ(second->ids_, first->ids_);
  Request salted = Greedy(prompt, 4);
  salted.cache_salt = "tenant";
  EXPECT_EQ(Submit(salted)->AwaitFinish().usage.cached_prompt_tokens, 0);
  ExpectClean();
  EXPECT_EQ(observer_.total.cached_prompt_tokens, 96);
  EXPECT_EQ(observer_.total.prefix_query_tokens, 300);
  EXPECT_GT(engine_->Snapshot().kv_blocks_cached, 0);
}

TEST_F(EngineTest, PromptLogitsAndLogprobs) {
  Make({});
  const auto prompt = Prompt(45, 4);
  Request request = Greedy(prompt, 3);
  request.want_prompt_logits = true;
  request.sampling.logprobs = 2;
  request.sampling.logit_bias = {{5, 90.0f}};
  auto sink = Submit(request);
  const Finish finish = sink->AwaitFinish();
  ASSERT_EQ(finish.prompt_logits.size(), static_cast<size_t>(kFakeVocab));
  double sum = 0;
  for (int id = 0; id < kFakeVocab; ++id) {
    EXPECT_EQ(finish.prompt_logits[id], FakeLogit(HashHistory(prompt), id));
    sum += std::exp(finish.prompt_logits[id]);
  }
  EXPECT_EQ(sink->ids_[0], 5);
  EXPECT_NEAR(sink->tokens_[0].logprob, finish.prompt_logits[5] - std::log(sum), 1e-4);
  ASSERT_EQ(sink->tokens_[0].top.size(), 2u);
  EXPECT_EQ(sink->tokens_[0].top[0].id, GreedyReference(prompt, 1)[0]);
}

TEST_F(EngineTest, TimingsAddUp) {
  Setup setup;
  setup.clock = &clock_;
  setup.options.max_sequences = 1;
  setup.options.step_token_budget = 10;
  setup.hooks.before = [&](const Batch&) { clock_.Advance(absl::Milliseconds(10)); };
  Make(setup);
  Request request = Greedy(Prompt(25, 1), 4);  // three steps of prefill, three of decode
  request.ignore_eos = true;
  const Timings timings = Submit(request)->AwaitFinish().timings;
  EXPECT_EQ(timings.queue, absl::ZeroDuration());
  EXPECT_EQ(timings.prefill, absl::Milliseconds(30));
  EXPECT_EQ(timings.time_to_first_token, absl::Milliseconds(30));
  EXPECT_EQ(timings.decode, absl::Milliseconds(30));
  EXPECT_EQ(timings.total, absl::Milliseconds(60));
}

TEST_F(EngineTest, QueueIsBoundedByRequestsAndTokens) {
  Setup setup;
  setup.options.max_sequences = 1;
  setup.options.max_queued_requests = 3;
  setup.options.max_queued_tokens = 100;
  setup.hooks.before = [&](const Batch&) { gate_.Pass(); };
  Make(setup);
  std::vector<std::shared_ptr<RecordingSink>> sinks = {Submit(Greedy(Prompt(200, 1), 2))};
  gate_.AwaitWaiter();
  sinks.push_back(Submit(Greedy(Prompt(60, 1), 2)));
  auto refused = std::make_shared<RecordingSink>();
  auto status = engine_->Submit(Greedy(Prompt(41, 1), 2), refused).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("100"));
  sinks.push_back(Submit(Greedy(Prompt(20, 1), 2)));
  sinks.push_back(Submit(Greedy(Prompt(20, 1), 2)));
  status = engine_->Submit(Greedy(Prompt(1, 1), 2), refused).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("at most 3"));
  gate_.Open();
  for (const auto& sink : sinks) EXPECT_TRUE(sink->AwaitFinish().status.ok());
  ExpectClean();
  EXPECT_EQ(refused->starts_, 0);
  EXPECT_FALSE(refused->finish_.has_value());
  EXPECT_EQ(observer_.rejects, 2);
}

TEST_F(EngineTest, IdsAreUniqueAmongLiveRequestsOnly) {
  Setup setup;
  setup.hooks.before = [&](const Batch&) { gate_.Pass(); };
  Make(setup);
  Request request = Greedy({1}, 2);
  request.id = "request-2";
  auto sink = Submit(request);
  EXPECT_EQ(engine_->Submit(request, sink).status().code(), absl::StatusCode::kAlreadyExists);
  request.id = "";
  auto made = engine_->Submit(request, std::make_shared<RecordingSink>());
  ASSERT_TRUE(made.ok());
  EXPECT_NE(*made, "request-2") << "made ids avoid live ones";
  gate_.Open();
  sink->AwaitFinish();
  request.id = "request-2";
  EXPECT_TRUE(Submit(request)->AwaitFinish().status.ok());
}

// Submits the next request from OnFinish, with the same id.
class ChainSink : public RecordingSink {
 public:
  ChainSink(Engine* engine, Request next, std::shared_ptr<ResponseSink> next_sink)
      : engine_(engine), next_(std::move(next)), next_sink_(std::move(next_sink)) {}
  void OnFinish(Finish finish) override {
    EXPECT_FALSE(engine_->Cancel(next_.id));
    EXPECT_TRUE(engine_->Submit(next_, next_sink_).ok());
    RecordingSink::OnFinish(std::move(finish));
  }

 private:
  Engine* engine_;
  Request next_;
  std::shared_ptr<ResponseSink> next_sink_;
};

TEST_F(EngineTest, SinkMayCallTheEngine) {
  Make({});
  Request request = Greedy({1, 2}, 3);
  request.id = "same";
  auto last = std::make_shared<RecordingSink>();
  ASSERT_TRUE(
      engine_->Submit(request, std::make_shared<ChainSink>(engine_.get(), request, last)).ok());
  EXPECT_TRUE(last->AwaitFinish().status.ok());
}

class BlockedSink : public RecordingSink {
 public:
  explicit BlockedSink(Gate* gate) : gate_(gate) {}
  void OnDelta(Delta delta) override {
    gate_->Pass();
    RecordingSink::OnDelta(std::move(delta));
  }

 private:
  Gate* gate_;
};

TEST_F(EngineTest, SlowSinkDoesNotStopTheEngine) {
  Make({});
  auto slow = std::make_shared<BlockedSink>(&gate_);
  Request request = Greedy(Prompt(3, 1), 100);
  request.ignore_eos = true;
  ASSERT_TRUE(engine_->Submit(request, slow).ok());
  gate_.AwaitWaiter();
  auto other = Submit(request);
  for (int i = 0; i < 10000 && engine_->Snapshot().running > 0; ++i) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(engine_->Snapshot().running, 0) << "both are computed while the sink still blocks";
  EXPECT_FALSE(engine_->AwaitIdle(absl::Milliseconds(20))) << "their Finish is not delivered yet";
  gate_.Open();
  EXPECT_EQ(slow->AwaitFinish().reason, FinishReason::kLength);
  EXPECT_EQ(slow->ids_.size(), 100u);
  EXPECT_LE(slow->deltas_, 3) << "what queued up is merged";
  EXPECT_EQ(other->AwaitFinish().reason, FinishReason::kLength);
  ExpectClean();
}

TEST_F(EngineTest, SnapshotCountsRunningAndWaiting) {
  Setup setup;
  setup.options.max_sequences = 2;
  setup.hooks.before = [&](const Batch&) {
    if (++steps_ == 2) gate_.Pass();
  };
  Make(setup);
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 5; ++i) sinks.push_back(Submit(Greedy(Prompt(40, i), 8)));
  gate_.AwaitWaiter();
  const EngineSnapshot s = engine_->Snapshot();
  EXPECT_EQ(s.running + s.waiting, 5);
  EXPECT_EQ(s.waiting_tokens, 40 * s.waiting);
  EXPECT_EQ(s.kv_blocks_total, 64);
  EXPECT_EQ(s.kv_blocks_used, 2 * s.running);
  EXPECT_EQ(s.steps, 1u);
  gate_.Open();
  for (const auto& sink : sinks) sink->AwaitFinish();
  ExpectClean();
}

TEST_F(EngineTest, BadOptionsAreNamed) {
  const auto create = [&](EngineOptions options) {
    return Engine::Create(
               options, std::make_unique<HistoryExecutor>(64, 4, HistoryExecutor::Hooks{}),
               std::move(KvBlockPool::Create(kFakeLayout, 4)).value(), &tokenizer_, nullptr)
        .status();
  };
  EXPECT_TRUE(create({}).ok());
  EngineOptions options;
  options.max_sequences = 0;
  EXPECT_THAT(std::string(create(options).message()), HasSubstr("max_sequences"));
  options = {};
  options.step_token_budget = options.max_sequences - 1;
  EXPECT_THAT(std::string(create(options).message()), HasSubstr("step_token_budget"));
  options = {};
  options.max_queued_requests = 0;
  EXPECT_THAT(std::string(create(options).message()), HasSubstr("max_queued_requests"));
  options = {};
  options.max_queued_tokens = 0;
  EXPECT_THAT(std::string(create(options).message()), HasSubstr("max_queued_tokens"));
  options = {};
  options.watchdog = -absl::Seconds(1);
  EXPECT_THAT(std::string(create(options).message()), HasSubstr("watchdog"));
}

TEST_F(EngineTest, ReasonsHaveNames) {
  std::set<std::string> names;
  for (auto reason : {FinishReason::kStop, FinishReason::kLength, FinishReason::kCancelled,
                      FinishReason::kDeadline, FinishReason::kError}) {
    names.insert(FinishReasonName(reason));
  }
  EXPECT_EQ(names, (std::set<std::string>{"stop", "length", "cancelled", "deadline", "error"}));
}

}  // namespace
}  // namespace quantd
