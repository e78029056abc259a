#ifndef QUANTD_RUNTIME_MODEL_ROW_RANGE_H_
#define QUANTD_RUNTIME_MODEL_ROW_RANGE_H_

#include <cstdint>

#include "kernels/base/weight_source.h"

namespace quantd {

/// Consecutive rows of a weight matrix as a matrix of their own: for tensors that hold several.
/// Thread-safe as the whole, which must outlive it.
class RowRange : public WeightSource {
 public:
  RowRange(const WeightSource& whole, int64_t begin, int64_t count)
      : whole_(whole), begin_(begin), count_(count) {}

  const QuantFormat& format() const override { return whole_.format(); }
  int64_t rows() const override { return count_; }
  int64_t cols() const override { return whole_.cols(); }
  absl::Span<const int32_t> k_order() const override { return whole_.k_order(); }
  float outlier_threshold() const override { return whole_.outlier_threshold(); }
  absl::Status Decode(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    return whole_.Decode(begin_ + row_begin, row_count, out);
  }

 private:
  const WeightSource& whole_;
  const int64_t begin_, count_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_ROW_RANGE_H_
