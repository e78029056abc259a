#include "runtime/quantize/group_search.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace quantd {
namespace {

/// Weights that the format holds exactly, all of them equally important.
struct ExactGroup {
  ExactGroup(const QuantFormat& format, const CodeGrid& grid, float scale, float min) {
    const int codes = 1 << format.bits;
    for (int i = 0; i < format.group; ++i) {
      const int code = 1 + i % (codes - 1);
      weights.push_back(scale * grid.Value(static_cast<uint8_t>(code)) + min);
      importance.push_back(1);
    }
  }
  WeightedGroup group() const {
    return {weights.data(), importance.data(), static_cast<int>(weights.size())};
  }
  std::vector<float> weights, importance;
};

TEST(GroupSearch, FindsAnExactFit) {
  for (const QuantFormat& format : {kQ4_0, kQ4_K, kQ3_K, kQ6_K, kIq4Nl, kIq4Xs, kQ4_1}) {
    const CodeGrid grid(format);
    const float min = format.zero == ZeroType::kMin ? -0.5f : 0;
    const ExactGroup made(format, grid, 0.125f, min);
    GroupSearch search(format, grid);
    const GroupFit fit = search.Search(made.group());
    EXPECT_LT(search.Error(made.group(), fit), 1e-9) << FormatName(format);
  }
}

TEST(GroupSearch, ErrorIsTheWeightedSum) {
  const CodeGrid grid(kQ4_0);
  GroupSearch search(kQ4_0, grid);
  std::vector<float> weights(11, 0.0f), importance(11, 1.0f);
  weights[3] = 1.25f;
  weights[9] = -0.75f;
  weights[10] = 2.5f;
  importance[3] = 4;
  importance[10] = 8;
  // With scale 1: 1.25 -> 1, -0.75 -> -1, 2.5 -> 3.
  EXPECT_DOUBLE_EQ(search.Error({weights.data(), importance.data(), 11}, {1, 0}),
                   4 * 0.0625 + 0.0625 + 8 * 0.25);
}

TEST(GroupSearch, UnimportantOutliersAreCutOff) {
  for (const QuantFormat& format : {kQ4_0, kQ5_0, kIq4Nl}) {
    const CodeGrid grid(format);
    ExactGroup made(format, grid, 0.125f, 0);
    const float factor = 1.05f;  // less than a step of any of these
    made.weights[5] =
        std::copysign(std::fabs(grid.outermost()) * 0.125f * factor, grid.outermost());
    made.importance[5] = 1e-6f;
    GroupSearch search(format, grid);
    EXPECT_LT(search.Error(made.group(), search.Search(made.group())), 1e-4) << FormatName(format);
  }
}

TEST(GroupSearch, MinsOfTwoLevelsAreNeverPositive) {
  const CodeGrid grid(kQ4_K);
  GroupSearch search(kQ4_K, grid);
  std::vector<float> weights, importance(32, 1.0f);
  for (int i = 0; i < 32; ++i) weights.push_back(1.0f + 0.01f * static_cast<float>(i));
  const GroupFit fit = search.Search({weights.data(), importance.data(), 32});
  EXPECT_EQ(fit.min, 0);
  EXPECT_GT(fit.scale, 0);
}

}  // namespace
}  // namespace quantd
