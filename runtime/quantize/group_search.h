#ifndef QUANTD_RUNTIME_QUANTIZE_GROUP_SEARCH_H_
#define QUANTD_RUNTIME_QUANTIZE_GROUP_SEARCH_H_

#include <vector>

#include "kernels/base/quant_format.h"
#include "runtime/quantize/code_grid.h"
#include "runtime/quantize/super_group.h"

namespace quantd {

/// Weights of one group and how much an error of each counts.
struct WeightedGroup {
  const float* weights;
  const float* importance;  ///< each > 0
  int count;
};

/// Searches for the scale (and min) of a group with the least weighted squared error
/// sum_i importance_i * (weight_i - scale * value(code_i) - min)^2, every code being the nearest.
///
/// Which codes are nearest is a step function of the scale, so the minimum is looked for among
/// scales around the one that just covers the group; for each the codes are assigned, and scale and
/// min become those of weighted least squares for these codes. Holds scratch space: one object per
/// thread. Borrows the grid.
class GroupSearch {
 public:
  GroupSearch(const QuantFormat& format, const CodeGrid& grid);

  /// The best fit found, unrounded.
  GroupFit Search(const WeightedGroup& group);
  /// The weighted squared error under a fit.
  double Error(const WeightedGroup& group, const GroupFit& fit);

 private:
  /// Weighted sums over a group: of 1, w, v, w v, v v, with v = value(code).
  struct Sums {
    double one = 0, w = 0, v = 0, wv = 0, vv = 0;
  };
  struct Best;

  GroupFit SearchScale(const WeightedGroup& group);
  GroupFit SearchScaleAndMin(const WeightedGroup& group);
  Sums Sum(const WeightedGroup& group, const GroupFit& fit);
  void Try(const WeightedGroup& group, const GroupFit& fit, Best* best);

  const QuantFormat& format_;
  const CodeGrid& grid_;
  std::vector<float> values_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_QUANTIZE_GROUP_SEARCH_H_
