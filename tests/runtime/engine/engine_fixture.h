#ifndef QUANTD_TESTS_RUNTIME_ENGINE_ENGINE_FIXTURE_H_
#define QUANTD_TESTS_RUNTIME_ENGINE_ENGINE_FIXTURE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/engine/engine.h"
#include "tests/runtime/engine/fakes.h"

namespace quantd {

/// Counts what an engine reports.
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

/// An engine over a HistoryExecutor, with what it refers to.
class EngineTest : public testing::Test {
 protected:
  struct Setup {
    EngineOptions options;
    int32_t context = 512;
    int32_t blocks = 64;
    HistoryExecutor::Hooks hooks;
    const Clock* clock = nullptr;
  };

  /// Makes engine_ anew.
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

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_ENGINE_ENGINE_FIXTURE_H_
