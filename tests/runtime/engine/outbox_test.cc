#include "runtime/engine/outbox.h"

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/runtime/engine/fakes.h"

namespace quantd {
namespace {

Delta TokenDelta(int32_t id, const std::string& text) {
  Delta delta;
  delta.tokens.push_back({id, 0.0f, {}});
  delta.text = text;
  return delta;
}

Finish FinishAfter(int tokens) {
  Finish finish;
  finish.usage.completion_tokens = tokens;
  return finish;
}

TEST(OutboxTest, DeliversInOrderAndDropsTheSink) {
  std::atomic<int> finished = 0;
  Outbox outbox([&] { ++finished; });
  auto sink = std::make_shared<RecordingSink>();
  std::weak_ptr<RecordingSink> watch = sink;
  const auto channel = Outbox::Open(sink);
  outbox.Start(channel, Usage{3, 2, 0});
  outbox.Publish();
  for (int i = 0; i < 5; ++i) {
    outbox.Push(channel, TokenDelta(i, std::string(1, static_cast<char>('a' + i))));
    outbox.Publish();
  }
  outbox.Finish(channel, FinishAfter(5));
  outbox.Publish();
  sink->AwaitFinish();
  EXPECT_EQ(sink->ids_, (std::vector<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(sink->text_, "abcde");
  EXPECT_EQ(sink->start_usage_.cached_prompt_tokens, 2);
  sink.reset();
  for (int i = 0; i < 1000 && finished == 0; ++i) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(finished, 1);
  EXPECT_TRUE(watch.expired());
}

TEST(OutboxTest, NothingIsSeenBeforePublish) {
  Outbox outbox([] {});
  auto sink = std::make_shared<RecordingSink>();
  const auto channel = Outbox::Open(sink);
  outbox.Start(channel, {});
  absl::SleepFor(absl::Milliseconds(20));
  EXPECT_TRUE(sink->Await([](const RecordingSink& s) { return s.starts_ == 0; }));
  outbox.Finish(channel, FinishAfter(0));
  outbox.Publish();
  sink->AwaitFinish();
}

// Blocks in its first delta until the gate opens.
class SlowSink : public RecordingSink {
 public:
  explicit SlowSink(Gate* gate) : gate_(gate) {}
  void OnDelta(Delta delta) override {
    gate_->Pass();
    RecordingSink::OnDelta(std::move(delta));
  }

 private:
  Gate* gate_;
};

TEST(OutboxTest, QueuedDeltasAreMerged) {
  Gate gate;
  Outbox outbox([] {});
  auto sink = std::make_shared<SlowSink>(&gate);
  const auto channel = Outbox::Open(sink);
  outbox.Start(channel, {});
  outbox.Push(channel, TokenDelta(0, "x"));
  outbox.Publish();
  gate.AwaitWaiter();
  for (int i = 1; i <= 100; ++i) {
    outbox.Push(channel, TokenDelta(i, "y"));
    outbox.Publish();
  }
  outbox.Finish(channel, FinishAfter(101));
  outbox.Publish();
  gate.Open();
  sink->AwaitFinish();
  EXPECT_EQ(sink->deltas_, 2);
  EXPECT_EQ(sink->ids_.size(), 101u);
  EXPECT_EQ(sink->text_, "x" + std::string(100, 'y'));
}

TEST(OutboxTest, DestructionDeliversWhatWasPublished) {
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  {
    Outbox outbox([] {});
    for (int i = 0; i < 50; ++i) {
      sinks.push_back(std::make_shared<RecordingSink>());
      const auto channel = Outbox::Open(sinks.back());
      outbox.Start(channel, {});
      outbox.Finish(channel, FinishAfter(0));
    }
    outbox.Publish();
  }
  for (const auto& sink : sinks) EXPECT_TRUE(sink->finish_.has_value());
}

}  // namespace
}  // namespace quantd
