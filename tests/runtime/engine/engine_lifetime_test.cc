// Engine: requests that end before they are done, and engines that end before their requests.
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/engine/engine_fixture.h"

namespace quantd {
namespace {

using testing::HasSubstr;

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

}  // namespace
}  // namespace quantd
