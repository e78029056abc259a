#ifndef QUANTD_RUNTIME_QUANTIZE_CODE_GRID_H_
#define QUANTD_RUNTIME_QUANTIZE_CODE_GRID_H_

#include <algorithm>
#include <cstdint>

#include "absl/types/span.h"
#include "kernels/base/float16.h"
#include "kernels/base/quant_format.h"

namespace quantd {

/// The values that the codes of a format stand for before scaling, and the way back from a value to
/// the nearest code. A value type, immutable after construction. Formats with integer codes, a
/// table of 16 values, or bytes in E4M3.
class CodeGrid {
 public:
  explicit CodeGrid(const QuantFormat& format);

  /// Value of a code: code - 2^(bits-1) for kMidpoint, the code itself for kMin, else the table's.
  float Value(uint8_t code) const {
    if (e4m3_) return E4M3ToFloat(code);
    return table_.empty() ? static_cast<float>(code) - bias_ : table_[code];
  }
  /// The value of largest magnitude, that a group's extreme weight is put on. It has a sign where
  /// that side of zero reaches further than the other; symmetric grids give the positive one.
  float outermost() const { return outermost_; }
  /// Largest code; for kMin also the width of the grid in steps.
  int max_code() const { return max_code_; }

  /// Codes of `count` weights: the nearest to (weight - offset) * inverse.
  void Nearest(const float* weights, int count, float offset, float inverse, uint8_t* codes) const;
  /// The values of those codes.
  void NearestValues(const float* weights, int count, float offset, float inverse,
                     float* values) const;

 private:
  static constexpr int kTableSize = 16;

  /// Integer codes only: the code nearest to a scaled weight.
  int NearestInteger(float scaled) const {
    const float code =
        std::clamp(scaled + bias_, static_cast<float>(min_code_), static_cast<float>(max_code_));
    return static_cast<int>(code + 0.5f);  // rounds, since code >= 0
  }
  /// Tables only: place of the nearest value among the sorted ones.
  int NearestRank(float scaled) const {
    int rank = 0;
    for (const float bound : bounds_) rank += scaled > bound;
    return rank;
  }

  bool e4m3_ = false;
  float bias_ = 0;
  int min_code_ = 0, max_code_ = 0;
  float outermost_ = 0;
  absl::Span<const float> table_;  ///< empty for integer codes and E4M3
  float bounds_[kTableSize - 1];   ///< halfway between neighbouring values, ascending
  uint8_t sorted_[kTableSize];     ///< codes by value, ascending
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_QUANTIZE_CODE_GRID_H_
