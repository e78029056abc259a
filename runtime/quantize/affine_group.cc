#include "runtime/quantize/affine_group.h"

#include <cmath>
#include <limits>

#include "kernels/base/float16.h"

namespace quantd {
namespace {

// Shares of the group's reach that are tried: a little more than it, so that the one extreme of a
// symmetric grid is reached too, and less, down to where weights are cut off in numbers.
constexpr int kSteps = 25;
constexpr float kLargestShare = 1.08f, kStep = 0.02f;

/// The positive number nearest to `scale` that the type holds.
float RoundedScale(CodeType type, float scale) {
  switch (type) {
    case CodeType::kF16:
      return HalfToFloat(std::max<uint16_t>(FloatToHalf(scale), 1));  // 1: the smallest above 0
    case CodeType::kBF16:
      return BFloat16ToFloat(FloatToBFloat16(std::max(scale, std::numeric_limits<float>::min())));
    default:
      return std::max(scale, std::numeric_limits<float>::min());
  }
}

AffineFit FitOfReach(const AffineGrid& grid, float low, float high) {
  const auto top = static_cast<float>(grid.top());
  AffineFit fit;
  fit.scale = RoundedScale(grid.scale_type, (high - low) / top);
  fit.inverse = 1 / fit.scale;
  fit.zero = grid.symmetric ? static_cast<float>(1 << (grid.bits - 1))
                            : std::clamp(std::nearbyint(-low * fit.inverse),
                                         static_cast<float>(grid.lowest_zero), top);
  return fit;
}

float SquaredError(const AffineGrid& grid, const AffineFit& fit, const float* weights,
                   const float* importance, int64_t count) {
  constexpr int kLanes = 8;
  const auto top = static_cast<float>(grid.top());
  float sums[kLanes] = {};
  const auto add = [&](int64_t i, int lane) {
    const float code = std::clamp(weights[i] * fit.inverse + fit.zero, 0.0f, top);
    const float nearest = static_cast<float>(static_cast<int>(code + 0.5f));
    const float error = weights[i] - fit.scale * (nearest - fit.zero);
    sums[lane] += (importance == nullptr ? 1.0f : importance[i]) * error * error;
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
  }
  for (; i < count; ++i) add(i, 0);
  float sum = 0;
  for (const float lane : sums) sum += lane;
  return sum;
}

}  // namespace

AffineFit FitAffineGroup(const AffineGrid& grid, const float* weights, const float* importance,
                         int64_t count) {
  float low = 0, high = 0;
  for (int64_t i = 0; i < count; ++i) {
    low = std::min(low, weights[i]);
    high = std::max(high, weights[i]);
  }
  if (grid.symmetric) {
    high = std::max(-low, high);
    low = -high;
  }
  AffineFit best;
  if (high == low) {  // nothing but zeros
    best.zero = FitOfReach(grid, 0, 0).zero;
    return best;
  }
  float least = std::numeric_limits<float>::infinity();
  best = FitOfReach(grid, low, high);
  if (!std::isfinite(best.scale)) return best;
  for (int step = 0; step < kSteps; ++step) {
    const float share = kLargestShare - kStep * static_cast<float>(step);
    const AffineFit fit = FitOfReach(grid, low * share, high * share);
    if (!std::isfinite(fit.scale)) continue;
    const float error = SquaredError(grid, fit, weights, importance, count);
    if (error >= least) continue;
    least = error;
    best = fit;
  }
  return best;
}

}  // namespace quantd
