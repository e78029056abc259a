#include "server/work_queue.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

/// Holds a thread of the queue until it is opened.
class Gate {
 public:
  void Pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    inside_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void AwaitInside() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return inside_; });
  }
  void Open() {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool inside_ = false, open_ = false;
};

TEST(WorkQueueTest, RunsInOrderAndIsIdleAfterwards) {
  WorkQueue queue({"the queue", 1, 100, 100});
  std::vector<int> order;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(queue.Post(1, [&order, i] { order.push_back(i); }).ok());
  }
  EXPECT_TRUE(queue.AwaitIdle(absl::InfiniteDuration()));
  EXPECT_THAT(order, ::testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(WorkQueueTest, RefusesMoreJobsThanItHolds) {
  Gate gate;
  WorkQueue queue({"the queue", 1, 2, 1000});
  ASSERT_TRUE(queue.Post(1, [&] { gate.Pass(); }).ok());
  gate.AwaitInside();
  EXPECT_TRUE(queue.Post(1, [] {}).ok());
  EXPECT_TRUE(queue.Post(1, [] {}).ok());
  const absl::Status full = queue.Post(1, [] { FAIL() << "was refused"; });
  EXPECT_TRUE(absl::IsResourceExhausted(full));
  EXPECT_THAT(full.message(), ::testing::HasSubstr("the queue is full"));
  EXPECT_FALSE(queue.AwaitIdle(absl::Milliseconds(1)));
  gate.Open();
  EXPECT_TRUE(queue.AwaitIdle(absl::InfiniteDuration()));
}

TEST(WorkQueueTest, RefusesMoreCostThanItHoldsButNotASingleJob) {
  Gate gate;
  WorkQueue queue({"the queue", 1, 100, 10});
  ASSERT_TRUE(queue.Post(1, [&] { gate.Pass(); }).ok());
  gate.AwaitInside();
  EXPECT_TRUE(queue.Post(1000, [] {}).ok()) << "alone it is taken";
  EXPECT_TRUE(absl::IsResourceExhausted(queue.Post(1, [] {})));
  gate.Open();
  EXPECT_TRUE(queue.AwaitIdle(absl::InfiniteDuration()));
  EXPECT_TRUE(queue.Post(10, [] {}).ok()) << "what ran costs nothing any more";
}

TEST(WorkQueueTest, DestructionRunsWhatWaits) {
  std::atomic<int> ran{0};
  {
    WorkQueue queue({"the queue", 3, 1000, 1000});
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(queue.Post(0, [&] { ++ran; }).ok());
  }
  EXPECT_EQ(ran, 100);
}

}  // namespace
}  // namespace quantd
