#include "runtime/quantize/quantize_row.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/base/float16.h"
#include "runtime/quantize/code_grid.h"
#include "runtime/quantize/scale_rounding.h"
#include "runtime/quantize/super_group.h"

namespace quantd {
namespace {

/// The weight of largest magnitude, with its sign.
float Extreme(const float* weights, int64_t count) {
  float extreme = 0;
  for (int64_t j = 0; j < count; ++j) {
    if (std::fabs(weights[j]) > std::fabs(extreme)) extreme = weights[j];
  }
  return extreme;
}

double SquaredError(const CodeGrid& grid, float scale, const float* weights, int count) {
  std::vector<uint8_t> codes(count);
  grid.Nearest(weights, count, 0, InverseScale(scale), codes.data());
  double sum = 0;
  for (int j = 0; j < count; ++j) {
    const double error = weights[j] - double{scale} * grid.Value(codes[j]);
    sum += error * error;
  }
  return sum;
}

float RoundFloat(CodeType type, float value) {
  switch (type) {
    case CodeType::kF16:
      return HalfToFloat(FloatToHalf(value));
    case CodeType::kBF16:
      return BFloat16ToFloat(FloatToBFloat16(value));
    default:
      return value;
  }
}

/// One row, group by group.
class RowQuantizer {
 public:
  RowQuantizer(const float* weights, int64_t row, QuantTensor* out)
      : format_(out->format),
        grid_(format_),
        weights_(weights),
        groups_(format_.groups(out->cols)),
        group_size_(static_cast<int>(out->cols / groups_)),
        first_group_(row * groups_),
        out_(*out) {}

  void Run() {
    if (format_.two_level()) {
      const int64_t per_super = kSuperGroup / group_size_;
      for (int64_t g = 0; g < groups_; g += per_super) QuantizeSuperGroup(g);
      return;
    }
    for (int64_t g = 0; g < groups_; ++g) {
      const GroupFit fit = Round(Fit(g), g);
      const int64_t at = first_group_ + g;
      out_.scales[at] = fit.scale;
      if (has_min()) out_.mins[at] = fit.min;
      if (has_zero()) out_.zeros[at] = ZeroPoint(fit);
      AssignCodes(g, fit);
    }
  }

 private:
  bool has_min() const { return format_.zero == ZeroType::kMin; }
  bool has_zero() const { return format_.zero == ZeroType::kCode; }
  const float* GroupWeights(int64_t group) const { return weights_ + group * group_size_; }

  /// The unrounded scale and min that take the group's extremes to the outermost codes.
  GroupFit Fit(int64_t group) const {
    const float* weights = GroupWeights(group);
    if (!has_min() && !has_zero()) {
      const float extreme = Extreme(weights, group_size_);
      // A scale of either sign puts the extreme on the further side; a grid that is as wide on
      // both needs none.
      const bool symmetric = grid_.outermost() > 0;
      return {(symmetric ? std::fabs(extreme) : extreme) / grid_.outermost(), 0};
    }
    auto [low, high] = std::minmax_element(weights, weights + group_size_);
    // With two levels the mins of a super-group share a sign, and a zero point is a code: zero is
    // always on the grid.
    const float min = format_.two_level() || has_zero() ? std::min(*low, 0.0f) : *low;
    const float max = has_zero() ? std::max(*high, 0.0f) : *high;
    const float steps = static_cast<float>(grid_.max_code());
    return {max / steps - min / steps, min};
  }

  /// The code that stands for zero, of a fit whose min is at most zero.
  uint8_t ZeroPoint(const GroupFit& fit) const {
    return static_cast<uint8_t>(std::nearbyint(-fit.min * InverseScale(fit.scale)));
  }

  GroupFit Round(GroupFit fit, int64_t group) const {
    if (has_zero()) return {fit.scale, -fit.scale * static_cast<float>(ZeroPoint(fit))};
    const GroupFit rounded = {RoundScale(format_.scale, fit.scale),
                              has_min() ? RoundScale(format_.scale, fit.min) : 0};
    if (format_.scale != ScaleType::kE8M0) return rounded;
    // Half of a power of two cuts the largest weights off but may serve the others better.
    const float half = RoundScale(format_.scale, rounded.scale / 2);
    const float* weights = GroupWeights(group);
    const bool halve = SquaredError(grid_, half, weights, group_size_) <
                       SquaredError(grid_, rounded.scale, weights, group_size_);
    return {halve ? half : rounded.scale, 0};
  }

  void AssignCodes(int64_t group, const GroupFit& fit) {
    grid_.Nearest(GroupWeights(group), group_size_, fit.min, InverseScale(fit.scale),
                  out_.codes.data() + (first_group_ + group) * group_size_);
  }

  void QuantizeSuperGroup(int64_t begin) {
    GroupFit fits[SuperGroup::kMaxGroups];
    const int count = kSuperGroup / group_size_;
    for (int g = 0; g < count; ++g) fits[g] = Fit(begin + g);
    const SuperGroup rounded = RoundSuperGroup(format_, absl::MakeConstSpan(fits, count));
    rounded.Store((first_group_ + begin) / count, count, &out_);
    for (int g = 0; g < count; ++g) AssignCodes(begin + g, rounded.Group(g));
  }

  const QuantFormat& format_;
  const CodeGrid grid_;
  const float* const weights_;
  const int64_t groups_;
  const int group_size_;
  const int64_t first_group_;
  QuantTensor& out_;
};

}  // namespace

void QuantizeRow(const float* weights, int64_t row, QuantTensor* out) {
  if (out->format.is_float()) {
    std::transform(weights, weights + out->cols, out->values.begin() + row * out->cols,
                   [type = out->format.code](float weight) { return RoundFloat(type, weight); });
    return;
  }
  RowQuantizer(weights, row, out).Run();
}

}  // namespace quantd
