#include "runtime/model/expert_mixture.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace quantd {
namespace {

// The reference operations; every machine has them.
const OpTable& Ops() { return *OpTables().front(); }

std::vector<ExpertShare> Choose(std::vector<float> scores, int32_t used, bool normalize) {
  return ChooseExperts(Ops(), absl::MakeSpan(scores), used, normalize);
}

TEST(ChooseExpertsTest, TheMostLikelyInTheirOwnOrder) {
  const std::vector<float> scores = {0.5f, 3, -1, 2.5f, 3.5f};
  double sum = 0;
  for (const float score : scores) sum += std::exp(score);
  const auto plain = Choose(scores, 3, false);
  ASSERT_EQ(plain.size(), 3u);
  const int32_t experts[] = {1, 3, 4};
  double chosen = 0;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(plain[i].expert, experts[i]);
    EXPECT_NEAR(plain[i].weight, std::exp(scores[experts[i]]) / sum, 1e-6);
    chosen += std::exp(scores[experts[i]]);
  }
  const auto normalized = Choose(scores, 3, true);
  for (int i = 0; i < 3; ++i) {
    EXPECT_NEAR(normalized[i].weight, std::exp(scores[experts[i]]) / chosen, 1e-6);
  }
}

TEST(ChooseExpertsTest, OfEqualsTheFirst) {
  const auto shares = Choose({1, 1, 1, 1}, 2, true);
  EXPECT_EQ(shares[0].expert, 0);
  EXPECT_EQ(shares[1].expert, 1);
  EXPECT_EQ(shares[0].weight, 0.5f);
}

TEST(ChooseExpertsTest, AllMayBeUsed) {
  float sum = 0;
  for (const ExpertShare& share : Choose({3, 1, 2}, 3, false)) sum += share.weight;
  EXPECT_NEAR(sum, 1, 1e-6);
}

TEST(ChooseExpertsTest, WhatIsNoNumberShows) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const ExpertShare& share : Choose({1, nan, 2}, 2, true)) {
    EXPECT_TRUE(std::isnan(share.weight));
  }
}

}  // namespace
}  // namespace quantd
