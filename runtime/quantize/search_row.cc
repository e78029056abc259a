#include "runtime/quantize/search_row.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "runtime/quantize/code_grid.h"
#include "runtime/quantize/group_search.h"
#include "runtime/quantize/quantize_row.h"
#include "runtime/quantize/scale_rounding.h"
#include "runtime/quantize/super_group.h"

namespace quantd {
namespace {

/// Rounds of improving lower and upper level in turn.
constexpr int kRounds = 3;

/// How much an error of each weight counts: the column's importance, and the weight's own size,
/// because a large weight of a trained model was made large on purpose.
std::vector<float> Importance(const float* weights, const float* columns, int64_t count) {
  double squares = 0, sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    squares += double{weights[i]} * weights[i];
    if (columns != nullptr) sum += columns[i];
  }
  const float mean_square = static_cast<float>(squares / static_cast<double>(count));
  // Columns that the calibration never saw must still count for something.
  const float floor =
      columns == nullptr ? 0 : static_cast<float>(1e-3 * sum / static_cast<double>(count));
  std::vector<float> importance(count);
  for (int64_t i = 0; i < count; ++i) {
    const float own = std::sqrt(mean_square + weights[i] * weights[i]);
    const float column = columns == nullptr ? 1 : columns[i] + floor;
    importance[i] = std::max(own * column, 1e-30f);
  }
  return importance;
}

class RowSearch {
 public:
  RowSearch(const float* weights, const float* importance, int64_t row, QuantTensor* out)
      : format_(out->format),
        grid_(format_),
        search_(format_, grid_),
        weights_(weights),
        importance_(Importance(weights, importance, out->cols)),
        groups_(format_.groups(out->cols)),
        group_size_(static_cast<int>(out->cols / groups_)),
        first_group_(row * groups_),
        out_(*out) {}

  void Run() {
    const int64_t per_super = format_.two_level() ? kSuperGroup / group_size_ : 1;
    for (int64_t g = 0; g < groups_; g += per_super) {
      if (format_.two_level()) {
        QuantizeSuperGroup(g);
      } else {
        QuantizeGroup(g);
      }
    }
  }

 private:
  bool has_min() const { return format_.zero == ZeroType::kMin; }
  WeightedGroup Group(int64_t group) const {
    const int64_t at = group * group_size_;
    return {weights_ + at, importance_.data() + at, group_size_};
  }
  uint8_t* Codes(int64_t group) { return out_.codes.data() + (first_group_ + group) * group_size_; }
  void AssignCodes(int64_t group, const GroupFit& fit) {
    grid_.Nearest(Group(group).weights, group_size_, fit.min, InverseScale(fit.scale),
                  Codes(group));
  }

  void QuantizeGroup(int64_t group) {
    const GroupFit fit = RoundGroup(group, search_.Search(Group(group)));
    out_.scales[first_group_ + group] = fit.scale;
    if (has_min()) out_.mins[first_group_ + group] = fit.min;
    AssignCodes(group, fit);
  }

  GroupFit RoundGroup(int64_t group, const GroupFit& fit) {
    const GroupFit rounded = {RoundScale(format_.scale, fit.scale),
                              has_min() ? RoundScale(format_.scale, fit.min) : 0};
    if (format_.scale != ScaleType::kE8M0) return rounded;
    GroupFit best = rounded;
    double best_error = search_.Error(Group(group), rounded);
    for (const float factor : {0.25f, 0.5f, 2.0f}) {
      const GroupFit other = {RoundScale(format_.scale, rounded.scale * factor), 0};
      const double error = search_.Error(Group(group), other);
      if (error < best_error) {
        best = other;
        best_error = error;
      }
    }
    return best;
  }

  void QuantizeSuperGroup(int64_t begin) {
    GroupFit fits[SuperGroup::kMaxGroups];
    const int count = kSuperGroup / group_size_;
    for (int g = 0; g < count; ++g) fits[g] = search_.Search(Group(begin + g));
    SuperGroup best = RoundSuperGroup(format_, absl::MakeConstSpan(fits, count));
    double best_error = ImproveSubScales(begin, count, &best);
    for (int round = 0; round < kRounds; ++round) {
      SuperGroup other = best;
      if (!ImproveUpperLevel(begin, count, &other)) break;
      const double error = ImproveSubScales(begin, count, &other);
      if (!(error < best_error)) break;
      best = other;
      best_error = error;
    }
    best.Store((first_group_ + begin) / count, count, &out_);
    for (int g = 0; g < count; ++g) AssignCodes(begin + g, best.Group(g));
  }

  /// Gives each group the best of the neighbouring sub-scales and sub-mins. Returns the error of
  /// all.
  double ImproveSubScales(int64_t begin, int count, SuperGroup* super) {
    const SubScaleRange range = SubScales(format_);
    double total = 0;
    for (int g = 0; g < count; ++g) {
      const WeightedGroup group = Group(begin + g);
      const int scale = super->sub_scales[g], min = super->sub_mins[g];
      double best = search_.Error(group, super->Group(g));
      SuperGroup trial = *super;
      const int min_reach = has_min() ? 1 : 0;
      for (int ds = -1; ds <= 1; ++ds) {
        for (int dm = -min_reach; dm <= min_reach; ++dm) {
          trial.sub_scales[g] = std::clamp(scale + ds, range.low, range.high);
          trial.sub_mins[g] = std::clamp(min + dm, 0, range.high);
          const double error = search_.Error(group, trial.Group(g));
          if (error >= best) continue;
          best = error;
          super->sub_scales[g] = trial.sub_scales[g];
          super->sub_mins[g] = trial.sub_mins[g];
        }
      }
      total += best;
    }
    return total;
  }

  /// Weighted least squares for the upper level, with codes and lower level as they are. False when
  /// there is nothing to solve or rounding leaves it as it was.
  bool ImproveUpperLevel(int64_t begin, int count, SuperGroup* super) {
    // Of u = sub-scale * value and t = sub-min, with the weights w: sums of u u, u t, t t, u w, t
    // w.
    double uu = 0, ut = 0, tt = 0, uw = 0, tw = 0;
    uint8_t codes[kSuperGroup];
    for (int g = 0; g < count; ++g) {
      const WeightedGroup group = Group(begin + g);
      const GroupFit fit = super->Group(g);
      grid_.Nearest(group.weights, group_size_, fit.min, InverseScale(fit.scale), codes);
      for (int i = 0; i < group_size_; ++i) {
        const double p = group.importance[i], w = group.weights[i];
        const double u = super->sub_scales[g] * grid_.Value(codes[i]), t = super->sub_mins[g];
        uu += p * u * u;
        ut += p * u * t;
        tt += p * t * t;
        uw += p * u * w;
        tw += p * t * w;
      }
    }
    double scale = 0, min = super->min;
    const double determinant = uu * tt - ut * ut;
    if (has_min() && determinant > 0) {
      scale = (uw * tt - tw * ut) / determinant;
      min = (tw * uu - uw * ut) / determinant;
    } else if (uu > 0) {
      scale = (uw - min * ut) / uu;
    }
    const float old_scale = super->scale, old_min = super->min;
    super->scale = RoundScale(format_.scale, static_cast<float>(scale));
    super->min = RoundScale(format_.scale, static_cast<float>(min));
    return super->scale != old_scale || super->min != old_min;
  }

  const QuantFormat& format_;
  const CodeGrid grid_;
  GroupSearch search_;
  const float* const weights_;
  const std::vector<float> importance_;
  const int64_t groups_;
  const int group_size_;
  const int64_t first_group_;
  QuantTensor& out_;
};

}  // namespace

void SearchRow(const float* weights, const float* importance, int64_t row, QuantTensor* out) {
  // The steps of E4M3 grow with the values: a scale moves the errors, but takes none away.
  const bool simple = out->format.is_float() || out->format.code == CodeType::kF8E4M3 ||
                      out->format.zero == ZeroType::kCode;
  if (simple) return QuantizeRow(weights, row, out);
  RowSearch(weights, importance, row, out).Run();
}

}  // namespace quantd
