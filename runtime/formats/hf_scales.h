#ifndef QUANTD_RUNTIME_FORMATS_HF_SCALES_H_
#define QUANTD_RUNTIME_FORMATS_HF_SCALES_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "runtime/formats/hf_module.h"

namespace quantd {

/// Types of scales that integer schemes store; of FP8 also powers of two.
inline constexpr Dtype kScaleDtypes[] = {Dtype::kF32, Dtype::kF16, Dtype::kBF16};
inline constexpr Dtype kFp8ScaleDtypes[] = {Dtype::kF32, Dtype::kF16, Dtype::kBF16, Dtype::kF8E8M0};

/// Reads scales of any of these types where they lie. A view of the tensor.
class ScaleView {
 public:
  explicit ScaleView(const SafetensorsTensor& tensor) : tensor_(tensor) {}
  float operator[](int64_t index) const;
  const SafetensorsTensor& tensor() const { return tensor_; }

 private:
  const SafetensorsTensor& tensor_;
};

/// Scales of a matrix [n, k], each of which covers a block of it: the whole matrix, a row, part of
/// a row, or a rectangle.
class ScaleGrid {
 public:
  /// Finds out by the shape of `tensor` what its scales cover: one number, [n] and [n, 1], or
  /// [n, g]; with `block` (rows, columns) [ceil(n / rows), ceil(k / columns)]. Errors: DATA_LOSS
  /// when it is none of these; UNIMPLEMENTED for blocks that QuantFormat cannot express.
  static absl::StatusOr<ScaleGrid> Of(const HfModule& module, const SafetensorsTensor& tensor,
                                      int64_t n, int64_t k,
                                      std::optional<std::pair<int64_t, int64_t>> block);

  /// QuantFormat::group for these scales.
  uint16_t group() const { return group_; }
  /// Index of the scale of weight (row, col).
  int64_t Index(int64_t row, int64_t col) const {
    return row / block_rows_ * grid_cols_ + col / block_cols_;
  }
  /// Fills out->scales, whose first row is `row_begin` of the matrix, dividing by `divisor`. Error
  /// when one is NaN or infinite.
  absl::Status Fill(int64_t row_begin, QuantTensor* out, float divisor = 1) const;

 private:
  explicit ScaleGrid(const SafetensorsTensor& tensor) : view_(tensor) {}
  ScaleView view_;
  int64_t block_rows_ = 1, block_cols_ = 1, grid_cols_ = 1;
  uint16_t group_ = 0;
};

/// QuantFormat::group for scales that each cover `period` consecutive weights of the flattened
/// matrix of rows of k, or -1 for one per row: the largest part of a row that one scale covers
/// entirely. UNIMPLEMENTED when that is no multiple of 16.
absl::StatusOr<uint16_t> GroupLength(const HfModule& module, int64_t k, int64_t period);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_HF_SCALES_H_
