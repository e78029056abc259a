#include "runtime/quantize/group_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/quantize/scale_rounding.h"

namespace quantd {
namespace {

// Scales are tried at equal distances of the number of steps that the group spans.
constexpr float kReach = 1.0f;  ///< steps more or fewer than the grid has
/// Fewer levels leave more to gain, and react to smaller changes.
int TrialsFor(const QuantFormat& format) {
  return format.bits <= 3 ? 20 : format.bits == 4 ? 12 : 6;
}

/// Partial sums, so that the compiler may add several at once.
constexpr int kLanes = 8;

}  // namespace

struct GroupSearch::Best {
  GroupFit fit;
  double error = std::numeric_limits<double>::infinity();
};

GroupSearch::GroupSearch(const QuantFormat& format, const CodeGrid& grid)
    : format_(format), grid_(grid) {}

GroupFit GroupSearch::Search(const WeightedGroup& group) {
  values_.resize(group.count);
  return format_.zero == ZeroType::kMin ? SearchScaleAndMin(group) : SearchScale(group);
}

double GroupSearch::Error(const WeightedGroup& group, const GroupFit& fit) {
  values_.resize(group.count);
  grid_.NearestValues(group.weights, group.count, fit.min, InverseScale(fit.scale), values_.data());
  float lanes[kLanes] = {};
  int i = 0;
  const auto add = [&](int at, float* lane) {
    const float error = group.weights[at] - fit.scale * values_[at] - fit.min;
    *lane += group.importance[at] * error * error;
  };
  for (; i + kLanes <= group.count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) add(i + lane, &lanes[lane]);
  }
  for (; i < group.count; ++i) add(i, &lanes[0]);
  double sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

GroupSearch::Sums GroupSearch::Sum(const WeightedGroup& group, const GroupFit& fit) {
  grid_.NearestValues(group.weights, group.count, fit.min, InverseScale(fit.scale), values_.data());
  float w[kLanes] = {}, v[kLanes] = {}, wv[kLanes] = {}, vv[kLanes] = {}, one[kLanes] = {};
  const auto add = [&](int at, int lane) {
    const float importance = group.importance[at], scaled = importance * values_[at];
    one[lane] += importance;
    w[lane] += importance * group.weights[at];
    v[lane] += scaled;
    wv[lane] += scaled * group.weights[at];
    vv[lane] += scaled * values_[at];
  };
  int i = 0;
  for (; i + kLanes <= group.count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
  }
  for (; i < group.count; ++i) add(i, 0);
  Sums sums;
  for (int lane = 0; lane < kLanes; ++lane) {
    sums.one += one[lane];
    sums.w += w[lane];
    sums.v += v[lane];
    sums.wv += wv[lane];
    sums.vv += vv[lane];
  }
  return sums;
}

/// Assigns codes under `fit`, solves for the best fit of these codes and keeps it if it is better.
void GroupSearch::Try(const WeightedGroup& group, const GroupFit& fit, Best* best) {
  const Sums s = Sum(group, fit);
  GroupFit solved;
  const double determinant = s.one * s.vv - s.v * s.v;
  const bool has_min = format_.zero == ZeroType::kMin;
  if (has_min && determinant > 0) {
    solved.scale = static_cast<float>((s.one * s.wv - s.w * s.v) / determinant);
    solved.min = static_cast<float>((s.w * s.vv - s.v * s.wv) / determinant);
  }
  // Mins of two levels share a sign, so that zero is always on the grid or above its start.
  const bool min_is_free = has_min && determinant > 0 && !(format_.two_level() && solved.min > 0);
  if (!min_is_free) {
    if (s.vv <= 0) return;
    solved = {static_cast<float>(s.wv / s.vv), 0};
  }
  if (has_min && solved.scale <= 0) return;
  const double error = Error(group, solved);
  if (error < best->error) *best = {solved, error};
}

GroupFit GroupSearch::SearchScale(const WeightedGroup& group) {
  float extreme = 0;
  for (int i = 0; i < group.count; ++i) {
    if (std::fabs(group.weights[i]) > std::fabs(extreme)) extreme = group.weights[i];
  }
  if (extreme == 0) return {};
  Best best;
  // A grid that reaches further on one side is tried both ways round.
  const bool lopsided = grid_.outermost() < 0;
  const float outermost = std::fabs(grid_.outermost());
  const float step = std::fabs(grid_.Value(0) - grid_.Value(1));
  const int trials = TrialsFor(format_);
  for (int i = -trials; i <= trials; ++i) {
    const float reach =
        outermost + kReach * step * static_cast<float>(i) / static_cast<float>(trials);
    const float scale = extreme / (lopsided ? -reach : std::copysign(reach, extreme));
    Try(group, {scale, 0}, &best);
    if (lopsided && i <= 0 && format_.bits <= 4) Try(group, {-scale, 0}, &best);
  }
  return best.fit;
}

GroupFit GroupSearch::SearchScaleAndMin(const WeightedGroup& group) {
  const auto [low, high] = std::minmax_element(group.weights, group.weights + group.count);
  const float min = format_.two_level() ? std::min(*low, 0.0f) : *low;
  const float range = *high - min;
  if (range <= 0) return {0, min};
  Best best;
  best.fit = {range / static_cast<float>(grid_.max_code()), min};
  best.error = Error(group, best.fit);
  const int trials = TrialsFor(format_);
  for (int i = -trials; i <= trials; ++i) {
    const float steps = static_cast<float>(grid_.max_code()) +
                        kReach * static_cast<float>(i) / static_cast<float>(trials);
    Try(group, {range / steps, min}, &best);
  }
  Try(group, best.fit, &best);
  return best.fit;
}

}  // namespace quantd
