#include "runtime/quantize/affine_group.h"

#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/base/float16.h"

namespace quantd {
namespace {

std::vector<float> Normal(int count, float mean = 0) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(mean, 0.1f);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

double Error(const AffineGrid& grid, const AffineFit& fit, const std::vector<float>& weights,
             const std::vector<float>& importance) {
  double sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double error = fit.Value(fit.Code(weights[i], grid.top())) - weights[i];
    sum += (importance.empty() ? 1 : importance[i]) * error * error;
  }
  return sum;
}

TEST(AffineGroup, IsNoWorseThanReachingTheExtremes) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const bool symmetric : {true, false}) {
      const AffineGrid grid{.bits = bits, .symmetric = symmetric, .scale_type = CodeType::kF32};
      const std::vector<float> weights = Normal(128, symmetric ? 0 : 0.05f);
      const AffineFit fit = FitAffineGroup(grid, weights.data(), nullptr, 128);
      const auto [low, high] = std::minmax_element(weights.begin(), weights.end());
      const float reach = std::max(-*low, *high);
      AffineFit plain;
      plain.scale = (symmetric ? 2 * reach : *high - *low) / static_cast<float>(grid.top());
      plain.inverse = 1 / plain.scale;
      plain.zero =
          symmetric ? static_cast<float>(1 << (bits - 1)) : std::round(-*low / plain.scale);
      EXPECT_LE(Error(grid, fit, weights, {}), Error(grid, plain, weights, {}) * 1.0001)
          << bits << (symmetric ? " symmetric" : "");
    }
  }
}

TEST(AffineGroup, ImportantWeightsLoseLess) {
  const AffineGrid grid{.bits = 3};
  std::vector<float> weights = Normal(64), importance(64, 1e-3f);
  weights[5] = 2;  // unimportant, and cut off
  for (int i = 8; i < 64; ++i) importance[i] = 1;
  const AffineFit all = FitAffineGroup(grid, weights.data(), nullptr, 64);
  const AffineFit fit = FitAffineGroup(grid, weights.data(), importance.data(), 64);
  EXPECT_LT(Error(grid, fit, weights, importance), Error(grid, all, weights, importance));
}

TEST(AffineGroup, StoresScalesAndZeroPointsExactly) {
  const std::vector<float> weights = Normal(32, 0.3f);  // nearly all positive
  for (const CodeType type : {CodeType::kF16, CodeType::kBF16}) {
    const AffineGrid grid{.symmetric = false, .lowest_zero = 1, .scale_type = type};
    const AffineFit fit = FitAffineGroup(grid, weights.data(), nullptr, 32);
    EXPECT_EQ(fit.zero, 1);
    EXPECT_EQ(fit.scale, type == CodeType::kF16 ? HalfToFloat(FloatToHalf(fit.scale))
                                                : BFloat16ToFloat(FloatToBFloat16(fit.scale)));
  }
}

TEST(AffineGroup, ExtremeGroups) {
  const AffineGrid grid;
  const std::vector<float> zeros(32, 0.0f), tiny(32, 1e-30f), huge(32, 1e30f);
  const AffineFit of_zeros = FitAffineGroup(grid, zeros.data(), nullptr, 32);
  EXPECT_EQ(of_zeros.Value(of_zeros.Code(0, grid.top())), 0);
  EXPECT_GT(of_zeros.scale, 0);
  const AffineFit of_tiny = FitAffineGroup(grid, tiny.data(), nullptr, 32);
  EXPECT_GT(of_tiny.scale, 0);
  EXPECT_EQ(of_tiny.Value(of_tiny.Code(1e-30f, grid.top())), 0);
  EXPECT_TRUE(std::isinf(FitAffineGroup(grid, huge.data(), nullptr, 32).scale));
}

}  // namespace
}  // namespace quantd
