#ifndef QUANTD_RUNTIME_QUANTIZE_SCALE_ROUNDING_H_
#define QUANTD_RUNTIME_QUANTIZE_SCALE_ROUNDING_H_

#include "kernels/base/quant_format.h"

namespace quantd {

/// The finite number nearest to `value` that a scale or min of the type stores exactly; for
/// kTwoLevel, of its upper level. A power of two is rounded up, so that no weight falls off the
/// grid.
float RoundScale(ScaleType type, float value);

/// The integers that the lower level of a two-level format holds.
struct SubScaleRange {
  int low;   ///< 0 for formats with mins, else negative and as far as `high` or further
  int high;  ///< also the largest sub-min, where there are mins
};
SubScaleRange SubScales(const QuantFormat& format);

/// 1 / scale; 0 when the scale is so small that its group is taken for zero.
float InverseScale(float scale);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_QUANTIZE_SCALE_ROUNDING_H_
