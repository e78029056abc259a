#include "server/call_registry.h"

#include <atomic>
#include <thread>

#include "gtest/gtest.h"

namespace quantd {
namespace {

class FakeCall : public Cancellable {
 public:
  void Cancel() override { ++cancels; }
  std::atomic<int> cancels{0};
};

TEST(CallRegistryTest, IdsAreUniqueWhileTheyLive) {
  CallRegistry registry;
  const auto call = std::make_shared<FakeCall>();
  ASSERT_TRUE(registry.Begin("a", call).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(registry.Begin("a", call)));
  EXPECT_TRUE(registry.Cancel("a"));
  EXPECT_TRUE(registry.Cancel("a"));
  EXPECT_EQ(call->cancels, 2);
  EXPECT_FALSE(registry.Cancel("b"));
  registry.RemoveId("a");
  EXPECT_FALSE(registry.Cancel("a"));
  EXPECT_EQ(registry.open(), 1) << "its RPC still delivers";
  EXPECT_TRUE(registry.Begin("a", call).ok());
  registry.RemoveId("a");
  registry.End();
  registry.End();
  EXPECT_EQ(registry.open(), 0);
  EXPECT_EQ(call.use_count(), 1);
}

TEST(CallRegistryTest, DrainRefusesAndWaitsForTheLast) {
  CallRegistry registry;
  const auto call = std::make_shared<FakeCall>();
  ASSERT_TRUE(registry.Begin("a", call).ok());
  registry.StartDrain();
  EXPECT_TRUE(registry.draining());
  EXPECT_TRUE(absl::IsUnavailable(registry.Begin("b", call)));
  EXPECT_FALSE(registry.AwaitEmpty(absl::Milliseconds(1)));
  std::thread ending([&] {
    registry.RemoveId("a");
    registry.End();
  });
  EXPECT_TRUE(registry.AwaitEmpty(absl::Seconds(60)));
  ending.join();
}

TEST(CallRegistryTest, CancelAllShortensTheWait) {
  CallRegistry registry;
  const auto call = std::make_shared<FakeCall>();
  ASSERT_TRUE(registry.Begin("a", call).ok());
  bool empty = true;
  std::thread waiter([&] { empty = registry.AwaitEmpty(absl::Hours(1)); });
  EXPECT_EQ(registry.CancelAll(), 1);
  waiter.join();
  EXPECT_FALSE(empty) << "the call never ended";
  EXPECT_EQ(call->cancels, 1);
  registry.RemoveId("a");
  registry.End();
  EXPECT_EQ(registry.CancelAll(), 0);
}

}  // namespace
}  // namespace quantd
