#include "runtime/chat/budget.h"

#include <utility>

#include "gtest/gtest.h"

namespace quantd::jinja {
namespace {

TEST(BudgetTest, StepsRunOutForGood) {
  Budget budget({.steps = 10});
  EXPECT_TRUE(budget.Spend(4).ok());
  EXPECT_TRUE(budget.SpendOn(128, 64).ok());  // 3
  EXPECT_EQ(budget.steps_spent(), 7);
  const absl::Status status = budget.Spend(4);
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_NE(status.message().find("10 steps"), absl::string_view::npos) << status;
  EXPECT_FALSE(budget.Spend().ok()) << "what was left is gone, too";
}

TEST(BudgetTest, ClaimsGiveBackWhatTheyHeld) {
  Budget budget({.memory_bytes = 100});
  MemoryClaim first(&budget);
  EXPECT_TRUE(first.Resize(60));
  {
    MemoryClaim second(&budget);
    EXPECT_FALSE(second.Resize(41));
    EXPECT_EQ(second.bytes(), 0u);
    EXPECT_TRUE(second.Resize(40));
    EXPECT_FALSE(first.Resize(61));
    EXPECT_TRUE(first.Resize(30));
    EXPECT_TRUE(first.Resize(60));
  }
  EXPECT_TRUE(first.Resize(100));
}

TEST(BudgetTest, ClaimsMove) {
  Budget budget({.memory_bytes = 100});
  MemoryClaim first(&budget);
  ASSERT_TRUE(first.Resize(60));
  MemoryClaim second = std::move(first);
  EXPECT_EQ(second.bytes(), 60u);
  MemoryClaim third(&budget);
  ASSERT_TRUE(third.Resize(40));
  third = std::move(second);
  EXPECT_EQ(third.bytes(), 60u);
  MemoryClaim rest(&budget);
  EXPECT_TRUE(rest.Resize(40)) << "what the third held before was given back";
  EXPECT_FALSE(rest.Resize(41));
}

TEST(BudgetTest, WithoutABudgetNothingIsCounted) {
  MemoryClaim claim;
  EXPECT_TRUE(claim.Resize(size_t{1} << 60));
}

}  // namespace
}  // namespace quantd::jinja
