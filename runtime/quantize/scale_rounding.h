#ifndef QUANTD_RUNTIME_QUANTIZE_SCALE_ROUNDING_H_
#define QUANTD_RUNTIME_QUANTIZE_SCALE_ROUNDING_H_

#include "kernels/base/quant_format.h"

namespace quantd {

/// The finite number nearest to `value` that a scale or min of the type stores exactly; for
/// kTwoLevel, of its upper level. A power of two is rounded up, so that no weight falls off the
/// grid.
float RoundScale(ScaleType type, float value);

/// 1 / scale; 0 when the scale is so small that its group is taken for zero.
float InverseScale(float scale);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_QUANTIZE_SCALE_ROUNDING_H_
