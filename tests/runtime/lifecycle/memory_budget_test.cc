#include "runtime/lifecycle/memory_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <optional>
#include <thread>
#include <vector>

namespace quantd {
namespace {

using ::testing::HasSubstr;
constexpr int64_t kMiB = 1 << 20;

std::shared_ptr<MemoryBudget> Budget(int64_t limit, int64_t system) {
  return MemoryBudget::Create(limit, [system] { return system; });
}

TEST(MemoryBudgetTest, WithoutLimitTheSystemDecides) {
  const auto budget = Budget(0, 100);
  EXPECT_EQ(budget->Available(), 100);
  EXPECT_TRUE(budget->Reserve("a", {60, 40}).ok());
  EXPECT_FALSE(budget->Reserve("a", {60, 41}).ok());
  EXPECT_FALSE(budget->Reserve("a", {101, 0}).ok());
}

TEST(MemoryBudgetTest, LimitCountsEveryReservation) {
  const auto budget = Budget(100, 1000);
  auto first = budget->Reserve("a", {50, 20});
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(budget->Available(), 30);
  first->MarkLoaded();
  EXPECT_EQ(budget->Available(), 30);
  EXPECT_FALSE(budget->Reserve("b", {31, 0}).ok());
  EXPECT_TRUE(budget->Reserve("b", {30, 0}).ok());
}

TEST(MemoryBudgetTest, LimitAboveTheSystemDoesNotHelp) {
  EXPECT_EQ(Budget(1000, 100)->Available(), 100);
}

TEST(MemoryBudgetTest, LoadsInProgressAndUntouchedKvCount) {
  int64_t system = 100;
  const auto budget = MemoryBudget::Create(0, [&system] { return system; });
  auto first = budget->Reserve("a", {50, 20});
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(budget->Available(), 30);  // nothing is allocated yet
  system = 50;                         // now the weights are
  first->MarkLoaded();
  first->MarkLoaded();  // counts once
  EXPECT_EQ(budget->Available(), 30);
  *first = MemoryBudget::Reservation();
  EXPECT_EQ(budget->Available(), 50);
}

TEST(MemoryBudgetTest, ReservationsMoveAndGiveBackOnce) {
  const auto budget = Budget(100, 1000);
  {
    auto first = budget->Reserve("a", {40, 0});
    ASSERT_TRUE(first.ok());
    MemoryBudget::Reservation moved = *std::move(first);
    MemoryBudget::Reservation again(std::move(moved));
    EXPECT_EQ(budget->Available(), 60);
  }
  EXPECT_EQ(budget->Available(), 100);
}

TEST(MemoryBudgetTest, RefusalGivesTheFiguresAndWhatToDo) {
  const auto refused = Budget(64 * kMiB, 1024 * kMiB)->Reserve("big", {100 * kMiB, 28 * kMiB});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  const std::string message(refused.status().message());
  EXPECT_THAT(message, HasSubstr("'big' needs 128.0 MiB (weights 100.0 MiB, KV cache 28.0 MiB)"));
  EXPECT_THAT(message, HasSubstr("64.0 MiB are available"));
  EXPECT_THAT(message, HasSubstr("lower kv_cache"));
}

TEST(MemoryBudgetTest, ExtremesDoNotOverflow) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_FALSE(Budget(0, 100)->Reserve("a", {kMax / 2, kMax / 2}).ok());
  EXPECT_EQ(Budget(1, -5)->Available(), 0);
}

TEST(MemoryBudgetTest, ConcurrentReservationsNeverExceedTheLimit) {
  const auto budget = Budget(10, 1000);
  std::atomic<int> granted{0};
  std::vector<std::optional<MemoryBudget::Reservation>> kept(32);
  std::vector<std::thread> threads;
  for (int i = 0; i < 32; ++i) {
    threads.emplace_back([&, i] {
      auto reservation = budget->Reserve("a", {1, 0});
      if (!reservation.ok()) return;
      ++granted;
      kept[i] = *std::move(reservation);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(granted, 10);
  kept.clear();
  EXPECT_EQ(budget->Available(), 10);
}

}  // namespace
}  // namespace quantd
