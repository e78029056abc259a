#include "server/cli/collecting_sink.h"

#include <thread>

#include "gtest/gtest.h"

namespace quantd {
namespace {

TEST(CollectingSink, HandsOverEverythingOnceAndInOrder) {
  CollectingSink sink;
  std::thread publisher([&] {
    for (int32_t i = 0; i < 1000; ++i) {
      Delta delta;
      delta.tokens.resize(1);
      delta.tokens[0].id = i;
      delta.text = std::string(1, static_cast<char>('a' + i % 26));
      sink.OnDelta(std::move(delta));
    }
    Finish finish;
    finish.reason = FinishReason::kLength;
    sink.OnFinish(std::move(finish));
  });
  std::vector<int32_t> ids;
  std::string text;
  for (bool finished = false; !finished;) {
    const CollectingSink::Events events = sink.Next(absl::Seconds(10));
    ids.insert(ids.end(), events.ids.begin(), events.ids.end());
    text += events.text;
    finished = events.finish.has_value();
    if (finished) {
      EXPECT_EQ(events.finish->reason, FinishReason::kLength);
    }
  }
  publisher.join();
  ASSERT_EQ(ids.size(), 1000u);
  for (int32_t i = 0; i < 1000; ++i) EXPECT_EQ(ids[i], i);
  EXPECT_EQ(text.size(), 1000u);
  EXPECT_EQ(text.substr(0, 3), "abc");
}

TEST(CollectingSink, WaitsNoLongerThanTold) {
  CollectingSink sink;
  const CollectingSink::Events events = sink.Next(absl::Milliseconds(5));
  EXPECT_TRUE(events.ids.empty());
  EXPECT_FALSE(events.finish.has_value());
}

}  // namespace
}  // namespace quantd
