#include <algorithm>
#include <cstdio>
#include <vector>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "runtime/engine/engine.h"
#include "tests/runtime/engine/fakes.h"

namespace quantd {
namespace {

constexpr int32_t kVocab = 32000;
constexpr int kBatch = 32;

// Costs next to nothing: the logits are the same in every step.
class FixedExecutor : public Executor {
 public:
  // No step is done before `gate` opens, so that all requests are there in the second one.
  explicit FixedExecutor(Gate* gate) : gate_(gate), logits_(kBatch * kVocab) {
    for (size_t i = 0; i < logits_.size(); ++i) {
      logits_[i] = FakeLogit(i / kVocab, static_cast<int32_t>(i % kVocab));
    }
  }
  ExecutorLimits limits() const override { return {kVocab, 4096}; }
  void Submit(const Batch& batch, const KvView&) override {
    gate_->Pass();
    rows_ = batch.logit_rows.size();
  }
  absl::StatusOr<absl::Span<float>> AwaitPrevious() override {
    return absl::MakeSpan(logits_.data(), rows_ * kVocab);
  }

 private:
  Gate* gate_;
  std::vector<float> logits_;
  size_t rows_ = 0;
};

class StepTimes : public EngineObserver {
 public:
  void OnStep(const StepStats& step) override {
    if (step.decode_tokens != kBatch) return;
    outside.push_back(step.total - step.execute);
  }
  std::vector<absl::Duration> outside;
};

// What a decode step of 32 sequences costs outside the executor: planning, greedy sampling over
// 32 x 32000 logits, text, events. Printed, and bounded so loosely that only a blunder (a sort or
// a copy of the vocabulary) fails.
TEST(EngineOverheadTest, GreedyStepAtBatch32) {
  FakeTokenizer tokenizer;
  StepTimes observer;
  Gate gate;
  auto engine = Engine::Create({}, std::make_unique<FixedExecutor>(&gate),
                               std::move(KvBlockPool::Create(kFakeLayout, 2048)).value(),
                               &tokenizer, &observer);
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (int i = 0; i < kBatch; ++i) {
    Request request;
    request.prompt = {i + 1, 2, 3};
    request.max_tokens = 120;
    request.ignore_eos = true;
    request.sampling.temperature = 0;
    ASSERT_TRUE((*engine)->Submit(request, std::make_shared<RecordingSink>()).ok());
  }
  gate.Open();
  ASSERT_TRUE((*engine)->AwaitIdle(absl::Seconds(120)));
  ASSERT_GT(observer.outside.size(), 50u);
  // The median: other programs on the machine stretch some of the steps.
  auto& outside = observer.outside;
  std::nth_element(outside.begin(), outside.begin() + outside.size() / 2, outside.end());
  const double us = absl::ToDoubleMicroseconds(outside[outside.size() / 2]);
  std::printf("step overhead at batch %d, vocabulary %d, greedy: %.0f us\n", kBatch, kVocab, us);
  RecordProperty("microseconds_per_step", static_cast<int>(us));
#ifdef NDEBUG  // not of builds for debugging or with sanitizers
  EXPECT_LT(us, 50000);
#endif
}

}  // namespace
}  // namespace quantd
