#include "runtime/engine/engine.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/engine/fakes.h"

namespace quantd {
namespace {

using testing::HasSubstr;

class CountingObserver : public EngineObserver {
 public:
  void OnStep(const StepStats& step) override {
    std::lock_guard<std::mutex> lock(mutex_);
    ++steps;
    total.prefill_tokens += step.prefill_tokens;
    total.decode_tokens += step.decode_tokens;
    total.cached_prompt_tokens += step.cached_prompt_tokens;
    total.prefix_query_tokens += step.prefix_query_tokens;
    total.preemptions += step.preemptions;
    first_tokens += static_cast<int>(step.first_token_latency.size());
    other_tokens += static_cast<int>(step.inter_token_latency.size());
    EXPECT_GE(step.total, step.execute);
  }
  void OnFinish(const Finish&) override {
    std::lock_guard<std::mutex> lock(mutex_);
    ++finishes;
  }
  void OnReject(const absl::Status&) override {
    std::lock_guard<std::mutex> lock(mutex_);
    ++rejects;
  }

  // Stable once the engine is idle.
  int steps = 0, first_tokens = 0, other_tokens = 0, finishes = 0, rejects = 0;
  StepStats total;

 private:
  std::mutex mutex_;
};

class EngineTest : public testing::Test {
 protected:
  struct Setup {
    EngineOptions options;
    int32_t context = 512;
    int32_t blocks = 64;
    HistoryExecutor::Hooks hooks;
    const Clock* clock = nullptr;
  };

  void Make(Setup setup) {
    auto engine = Engine::Create(
        setup.options, std::make_unique<HistoryExecutor>(setup.context, setup.blocks, setup.hooks),
        std::move(KvBlockPool::Create(kFakeLayout, setup.blocks)).value(), &tokenizer_, &observer_,
        setup.clock);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  static Request Greedy(std::vector<int32_t> prompt, int32_t max_tokens) {
    Request request;
    request.prompt = std::move(prompt);
    request.max_tokens = max_tokens;
    request.sampling.temperature = 0;
    return request;
  }

  std::shared_ptr<RecordingSink> Submit(Request request) {
    auto sink = std::make_shared<RecordingSink>();
    auto id = engine_->Submit(std::move(request), sink);
    EXPECT_TRUE(id.ok()) << id.status();
    return sink;
  }

  static std::vector<int32_t> Prompt(int n, int seed) {
    std::vector<int32_t> prompt(n);
    for (int i = 0; i < n; ++i) prompt[i] = 1 + (i * 7 + seed * 13 + i * i * seed) % 60;
    return prompt;
  }

  // Nothing is live, and no block is held.
  void ExpectClean() {
    EXPECT_TRUE(engine_->AwaitIdle(absl::Seconds(60)));
    const EngineSnapshot s = engine_->Snapshot();
    EXPECT_EQ(s.running, 0);
    EXPECT_EQ(s.waiting, 0);
    EXPECT_EQ(s.waiting_tokens, 0);
    EXPECT_EQ(s.kv_blocks_used, 0);
  }

  FakeTokenizer tokenizer_;
  CountingObserver observer_;
  // What hooks and the engine refer to; the engine goes before them.
  FakeClock clock_;
  Gate gate_;
  std::atomic<int> steps_ = 0;
  std::unique_ptr<Engine> engine_;
};

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

TEST_F(EngineTest, EndTokenStops) {
  Make({});
  int stopped = 0;
  for (int seed = 0; seed < 20; ++seed) {
    const auto expected = GreedyReference(Prompt(5, seed), 100);
    auto sink = Submit(Greedy(Prompt(5, seed), 100));
    const Finish finish = sink->AwaitFinish();
    EXPECT_EQ(sink->ids_, expected);
    const bool ended = expected.back() == kFakeEos;
    EXPECT_EQ(finish.reason, ended ? FinishReason::kStop : FinishReason::kLength);
    EXPECT_EQ(finish.matched_stop_id, ended ? std::optional<int32_t>(kFakeEos) : std::nullopt);
    stopped += ended;
  }
  EXPECT_GT(stopped, 5);
}

TEST_F(EngineTest, StopIdIsDeliveredWithoutText) {
  Make({});
  Request request = Greedy(Prompt(9, 2), 50);
  request.ignore_eos = true;
  const auto ids = GreedyReference(request.prompt, 50, true);
  // An id whose first occurrence is not at the start.
  size_t at = 5;
  while (std::find(ids.begin(), ids.begin() + at, ids[at]) != ids.begin() + at) ++at;
  request.stop_ids = {ids[at]};
  auto sink = Submit(request);
  const Finish finish = sink->AwaitFinish();
  EXPECT_EQ(finish.reason, FinishReason::kStop);
  EXPECT_EQ(finish.matched_stop_id, ids[at]);
  EXPECT_EQ(sink->ids_, std::vector<int32_t>(ids.begin(), ids.begin() + at + 1));
  IncrementalDetokenizer detokenizer(&tokenizer_, false);
  std::string text;
  for (size_t i = 0; i < at; ++i) text += detokenizer.Push(ids[i]);
  EXPECT_EQ(sink->text_, text + detokenizer.Flush());
}

// Forces the output to be given ids, by a bias that no logit can beat.
HistoryExecutor::Hooks Script(int prompt_tokens, std::vector<int32_t> ids) {
  HistoryExecutor::Hooks hooks;
  hooks.spoil = [=](uint64_t, int32_t position, absl::Span<float> logits) {
    const size_t index = position - prompt_tokens + 1;
    if (index < ids.size()) logits[ids[index]] = 50;
  };
  return hooks;
}

TEST_F(EngineTest, StopStringAcrossTokensEndsTheTextBeforeIt) {
  Setup setup;
  setup.hooks = Script(2, {8, 9, 27, 19, 20, 15, 16, 5});  // "hi stope"
  Make(setup);
  Request request = Greedy({1, 2}, 20);
  request.stop = {"zzz", "stop"};
  auto sink = Submit(request);
  const Finish finish = sink->AwaitFinish();
  EXPECT_EQ(finish.reason, FinishReason::kStop);
  EXPECT_EQ(finish.matched_stop, "stop");
  EXPECT_FALSE(finish.matched_stop_id.has_value());
  EXPECT_EQ(sink->text_, "hi ");
  EXPECT_EQ(sink->ids_.size(), 7u);
}

TEST_F(EngineTest, HeldBackTextComesAtTheEnd) {
  Setup setup;
  setup.hooks = Script(2, {8, 9, 27, 19, 20});  // "hi st"
  Make(setup);
  Request request = Greedy({1, 2}, 5);
  request.stop = {"stop"};
  auto sink = Submit(request);
  EXPECT_EQ(sink->AwaitFinish().reason, FinishReason::kLength);
  EXPECT_EQ(sink->text_, "hi st");
}

TEST_F(EngineTest, CharactersAreNotSplit) {
  Setup setup;
  setup.hooks = Script(1, {60, 61, 60});  // a euro sign, then half of one
  Make(setup);
  auto sink = Submit(Greedy({1}, 3));
  sink->AwaitFinish();
  EXPECT_EQ(sink->text_, "\xE2\x82\xAC\xEF\xBF\xBD");
}

TEST_F(EngineTest, MinTokensHoldsStopsOff) {
  Setup setup;
  setup.hooks = Script(2, {kFakeEos, kFakeEos, kFakeEos, kFakeEos, kFakeEos});
  Make(setup);
  Request request = Greedy({1, 2}, 20);
  request.min_tokens = 3;
  auto sink = Submit(request);
  EXPECT_EQ(sink->AwaitFinish().matched_stop_id, kFakeEos);
  ASSERT_EQ(sink->ids_.size(), 4u);
  for (int i = 0; i < 3; ++i) EXPECT_NE(sink->ids_[i], kFakeEos);

  Setup letters;
  letters.hooks = Script(2, {1, 1, 1, 1, 1, 1, 1});
  Make(letters);
  request.stop = {"a"};
  request.min_tokens = 4;
  sink = Submit(request);
  EXPECT_EQ(sink->AwaitFinish().matched_stop, "a");
  EXPECT_EQ(sink->text_, "aaa");
}

TEST_F(EngineTest, ContextEndsTheOutput) {
  Setup setup;
  setup.context = 40;
  Make(setup);
  Request request = Greedy(Prompt(30, 1), 0);
  request.ignore_eos = true;
  auto sink = Submit(request);
  EXPECT_EQ(sink->AwaitFinish().reason, FinishReason::kLength);
  EXPECT_EQ(sink->ids_.size(), 10u);
  request.prompt = Prompt(40, 1);
  sink = Submit(request);
  EXPECT_EQ(sink->AwaitFinish().reason, FinishReason::kLength);
  EXPECT_EQ(sink->ids_.size(), 1u);
  request.prompt = Prompt(41, 1);
  EXPECT_EQ(engine_->Submit(request, sink).status().code(), absl::StatusCode::kInvalidArgument);
  ExpectClean();
  EXPECT_EQ(observer_.rejects, 1);
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

TEST_F(EngineTest, NanEndsOneSequenceAlone) {
  Setup setup;
  setup.hooks.spoil = [](uint64_t id, int32_t position, absl::Span<float> logits) {
    if (id == 2 && position == 12) logits[7] = std::numeric_limits<float>::quiet_NaN();
  };
  Make(setup);
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 3; ++i) {
    Request request = Greedy(Prompt(10, i), 20);
    request.ignore_eos = true;
    sinks.push_back(Submit(request));
  }
  const Finish bad = sinks[1]->AwaitFinish();
  EXPECT_EQ(bad.reason, FinishReason::kError);
  EXPECT_EQ(bad.status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(sinks[1]->ids_.size(), 3u);
  for (int i : {0, 2}) {
    EXPECT_EQ(sinks[i]->AwaitFinish().reason, FinishReason::kLength);
    EXPECT_EQ(sinks[i]->ids_, GreedyReference(Prompt(10, i), 20, true));
  }
  EXPECT_TRUE(engine_->Snapshot().alive);
  ExpectClean();
}

TEST_F(EngineTest, DeviceFailureEndsEverySequence) {
  Setup setup;
  setup.options.max_sequences = 2;
  absl::Notification submitted;
  setup.hooks.status = [&] {
    submitted.WaitForNotification();  // or the device might fail before the last is accepted
    return ++steps_ == 6 ? absl::InternalError("device lost") : absl::OkStatus();
  };
  Make(setup);
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 5; ++i) {
    Request request = Greedy(Prompt(10, i), 450);
    request.ignore_eos = true;
    sinks.push_back(Submit(request));
  }
  submitted.Notify();
  for (const auto& sink : sinks) {
    const Finish finish = sink->AwaitFinish();
    EXPECT_EQ(finish.reason, FinishReason::kError);
    EXPECT_EQ(finish.status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(finish.status.message()), HasSubstr("device lost"));
  }
  EXPECT_EQ(sinks[0]->ids_.size(), 5u) << "what was computed before was delivered";
  ExpectClean();
  EXPECT_FALSE(engine_->Snapshot().alive);
  EXPECT_EQ(engine_->Submit(Greedy({1}, 1), sinks[0]).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_FALSE(engine_->Cancel("request-1"));
}

// The states in which a request can be ended from outside, each reached by stopping the fake
// executor in the right step.
enum class State { kQueued, kPrefill, kDecode, kLastStep };

class EndFromOutsideTest : public EngineTest,
                           public testing::WithParamInterface<std::tuple<State, bool>> {};

TEST_P(EndFromOutsideTest, OneFinishAndNoBlocksAfterTwoSteps) {
  const auto [state, by_deadline] = GetParam();
  const int chunks = state == State::kPrefill ? 2 : 1;
  // Steps before the gate stops one: the prefill chunks, then one for each token.
  const int stop_at = state == State::kQueued || state == State::kPrefill ? 1
                      : state == State::kDecode                           ? 3
                                                                          : 5;
  Setup setup;
  setup.clock = &clock_;
  setup.options.max_sequences = 1;
  setup.options.step_token_budget = chunks == 2 ? 20 : 64;
  setup.hooks.before = [&](const Batch&) {
    if (++steps_ == stop_at) gate_.Pass();
  };
  Make(setup);

  Request request = Greedy(Prompt(40, 1), 5);
  request.ignore_eos = true;
  request.id = "victim";
  request.deadline = clock_.Wall() + absl::Seconds(5);
  std::shared_ptr<RecordingSink> other;
  if (state == State::kQueued) {
    Request first = Greedy(Prompt(3, 9), 10);
    first.ignore_eos = true;
    other = Submit(first);
  }
  auto sink = Submit(request);
  gate_.AwaitWaiter();
  if (by_deadline) {
    clock_.Advance(absl::Seconds(5));
  } else {
    EXPECT_TRUE(engine_->Cancel("victim"));
    EXPECT_TRUE(engine_->Cancel("victim")) << "idempotent while live";
  }
  gate_.Open();
  const Finish finish = sink->AwaitFinish();
  // The step that was running is the last one with work of the victim's.
  if (state != State::kQueued) {
    EXPECT_EQ(engine_->Snapshot().kv_blocks_used, 0);
  }
  if (state == State::kLastStep) {
    EXPECT_EQ(finish.reason, FinishReason::kLength) << "it was complete before anybody looked";
    EXPECT_EQ(sink->ids_, GreedyReference(Prompt(40, 1), 5, true));
  } else {
    EXPECT_EQ(finish.reason, by_deadline ? FinishReason::kDeadline : FinishReason::kCancelled);
    EXPECT_EQ(finish.status.code(),
              by_deadline ? absl::StatusCode::kDeadlineExceeded : absl::StatusCode::kCancelled);
    EXPECT_EQ(sink->ids_.size(), state == State::kDecode ? 3u : 0u);
    EXPECT_EQ(sink->starts_, state == State::kQueued ? 0 : 1);
  }
  if (other != nullptr) {
    EXPECT_EQ(other->AwaitFinish().reason, FinishReason::kLength);
  }
  EXPECT_FALSE(engine_->Cancel("victim"));
  ExpectClean();
  EXPECT_EQ(observer_.finishes, other != nullptr ? 2 : 1);
}

std::string EndCaseName(const testing::TestParamInfo<std::tuple<State, bool>>& info) {
  const char* names[] = {"Queued", "Prefill", "Decode", "LastStep"};
  const auto [state, by_deadline] = info.param;
  return std::string(names[static_cast<int>(state)]) + (by_deadline ? "Deadline" : "Cancel");
}

INSTANTIATE_TEST_SUITE_P(States, EndFromOutsideTest,
                         testing::Combine(testing::Values(State::kQueued, State::kPrefill,
                                                          State::kDecode, State::kLastStep),
                                          testing::Bool()),
                         EndCaseName);

TEST_F(EngineTest, OneMillisecondDeadline) {
  Setup setup;
  setup.context = 1 << 16;
  setup.blocks = 1 << 11;
  setup.hooks.before = [](const Batch&) { absl::SleepFor(absl::Microseconds(200)); };
  Make(setup);
  Request request = Greedy({1, 2, 3}, 0);
  request.ignore_eos = true;
  request.deadline = absl::Now() + absl::Milliseconds(1);
  auto sink = Submit(request);
  EXPECT_EQ(sink->AwaitFinish().reason, FinishReason::kDeadline);
  EXPECT_LT(sink->ids_.size(), 100u);
  request.deadline = absl::InfinitePast();
  EXPECT_EQ(Submit(request)->AwaitFinish().reason, FinishReason::kDeadline);
  ExpectClean();
}

TEST_F(EngineTest, WallClockJumpsExpireNothing) {
  Setup setup;
  setup.clock = &clock_;
  setup.hooks.before = [&](const Batch&) { gate_.Pass(); };
  Make(setup);
  Request request = Greedy({1}, 3);
  request.ignore_eos = true;
  request.deadline = clock_.Wall() + absl::Seconds(60);
  auto sink = Submit(request);
  gate_.AwaitWaiter();
  clock_.JumpWall(absl::Hours(1000));
  gate_.Open();
  EXPECT_EQ(sink->AwaitFinish().reason, FinishReason::kLength);
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

TEST_F(EngineTest, DrainRefusesNewAndFinishesLive) {
  Setup setup;
  setup.hooks.before = [&](const Batch&) { gate_.Pass(); };
  Make(setup);
  auto sink = Submit(Greedy(Prompt(10, 1), 20));
  engine_->StartDrain();
  auto status = engine_->Submit(Greedy({1}, 1), sink).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(engine_->AwaitIdle(absl::Milliseconds(10)));
  gate_.Open();
  EXPECT_TRUE(engine_->AwaitIdle(absl::InfiniteDuration()));
  EXPECT_TRUE(sink->finish_.has_value()) << "idle means that every Finish was delivered";
  EXPECT_EQ(sink->ids_, GreedyReference(Prompt(10, 1), 20));
  ExpectClean();
}

TEST_F(EngineTest, CancelAllEndsLiveRequestsOnly) {
  Setup setup;
  setup.options.max_sequences = 4;
  setup.hooks.before = [&](const Batch&) { gate_.Pass(); };
  Make(setup);
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 10; ++i) sinks.push_back(Submit(Greedy(Prompt(10, i), 0)));
  gate_.AwaitWaiter();
  engine_->CancelAll();
  gate_.Open();
  for (const auto& sink : sinks) {
    EXPECT_EQ(sink->AwaitFinish().reason, FinishReason::kCancelled);
  }
  ExpectClean();
  EXPECT_TRUE(Submit(Greedy({1}, 1))->AwaitFinish().status.ok());
}

TEST_F(EngineTest, DestructionFinishesLiveRequests) {
  Setup setup;
  setup.options.max_sequences = 2;
  setup.hooks.before = [&](const Batch&) { gate_.Pass(); };
  Make(setup);
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 6; ++i) sinks.push_back(Submit(Greedy(Prompt(10, i), 0)));
  gate_.AwaitWaiter();
  std::thread opener([&] {
    absl::SleepFor(absl::Milliseconds(10));
    gate_.Open();
  });
  engine_.reset();
  opener.join();
  for (const auto& sink : sinks) {
    ASSERT_TRUE(sink->finish_.has_value());
    EXPECT_EQ(sink->finish_->reason, FinishReason::kCancelled);
  }
}

TEST_F(EngineTest, WatchdogReportsAStepThatHangs) {
  Setup setup;
  setup.clock = &clock_;
  setup.options.watchdog = absl::Seconds(10);
  setup.hooks.before = [&](const Batch&) { gate_.Pass(); };
  Make(setup);
  clock_.Advance(absl::Hours(1));
  EXPECT_TRUE(engine_->Snapshot().alive) << "idle is no hang";
  auto sink = Submit(Greedy({1}, 2));
  gate_.AwaitWaiter();
  clock_.Advance(absl::Seconds(10));
  EXPECT_TRUE(engine_->Snapshot().alive);
  clock_.Advance(absl::Seconds(1));
  EXPECT_FALSE(engine_->Snapshot().alive);
  gate_.Open();
  sink->AwaitFinish();
  ExpectClean();
  EXPECT_TRUE(engine_->Snapshot().alive);
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
