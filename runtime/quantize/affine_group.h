#ifndef QUANTD_RUNTIME_QUANTIZE_AFFINE_GROUP_H_
#define QUANTD_RUNTIME_QUANTIZE_AFFINE_GROUP_H_

#include <algorithm>
#include <cstdint>

#include "kernels/base/quant_format.h"

namespace quantd {

/// Integer codes of a group of weights: weight = scale * (code - zero), with a positive scale and a
/// zero point that is itself a code, as GPTQ, AWQ and compressed-tensors have them.
struct AffineGrid {
  int bits = 4;                          ///< 2 to 8
  bool symmetric = true;                 ///< the zero point is 2^(bits-1)
  int lowest_zero = 0;                   ///< of others: the least that can be stored
  CodeType scale_type = CodeType::kF16;  ///< kF32, kF16 or kBF16: what stores scales exactly

  int top() const { return (1 << bits) - 1; }
};

/// How a group is scaled. inverse is 1 / scale.
struct AffineFit {
  float scale = 1, inverse = 1, zero = 0;

  /// The nearest code to a weight.
  uint8_t Code(float weight, int top) const {
    const float code = std::clamp(weight * inverse + zero, 0.0f, static_cast<float>(top));
    return static_cast<uint8_t>(code + 0.5f);
  }
  float Value(uint8_t code) const { return scale * (static_cast<float>(code) - zero); }
};

/// Searches for the scale and zero point of `count` finite weights with the least squared error
/// sum_i importance_i * (weight_i - value_i)^2, among those that reach the extremes or cut some of
/// them off. `importance` is at least 0 each; null: all count the same. A scale too large for its
/// type is infinite.
AffineFit FitAffineGroup(const AffineGrid& grid, const float* weights, const float* importance,
                         int64_t count);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_QUANTIZE_AFFINE_GROUP_H_
