#ifndef QUANTD_TESTS_KERNELS_GEMM_GEMM_TEST_UTIL_H_
#define QUANTD_TESTS_KERNELS_GEMM_GEMM_TEST_UTIL_H_

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "kernels/gemm/noise_tensor.h"

namespace quantd {

inline QuantTensor RandomTensor(const QuantFormat& format, int64_t n, int64_t k, int seed) {
  Noise noise;
  for (int i = 0; i < seed; ++i) noise.Bits();
  return NoiseTensor(format, n, k, &noise);
}

inline std::vector<float> RandomFloats(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float& value : x) value = normal(random);
  return x;
}

/// A WeightSource over a tensor in memory. `error`, when not OK, is what Decode returns for the
/// slab that holds `bad_row`.
class TensorSource : public WeightSource {
 public:
  explicit TensorSource(QuantTensor tensor) : t_(std::move(tensor)) {}
  void FailAt(int64_t bad_row, absl::Status error) {
    bad_row_ = bad_row;
    error_ = std::move(error);
  }

  const QuantFormat& format() const override { return t_.format; }
  int64_t rows() const override { return t_.rows; }
  int64_t cols() const override { return t_.cols; }
  absl::Span<const int32_t> k_order() const override { return k_order_; }
  void Order(std::vector<int32_t> k_order) { k_order_ = std::move(k_order); }
  float outlier_threshold() const override { return outlier_threshold_; }
  void Outliers(float threshold) { outlier_threshold_ = threshold; }
  absl::Status Decode(int64_t begin, int64_t count, QuantTensor* out) const override {
    if (!error_.ok() && begin <= bad_row_ && bad_row_ < begin + count) return error_;
    out->Resize(t_.format, count, t_.cols);
    Copy(t_.values, begin, count, &out->values);
    Copy(t_.codes, begin, count, &out->codes);
    Copy(t_.scales, begin, count, &out->scales);
    Copy(t_.mins, begin, count, &out->mins);
    Copy(t_.zeros, begin, count, &out->zeros);
    Copy(t_.sub_scales, begin, count, &out->sub_scales);
    Copy(t_.sub_mins, begin, count, &out->sub_mins);
    return absl::OkStatus();
  }

 private:
  template <typename T>
  void Copy(const std::vector<T>& from, int64_t begin, int64_t count, std::vector<T>* to) const {
    const int64_t per_row = static_cast<int64_t>(from.size()) / t_.rows;
    to->assign(from.begin() + begin * per_row, from.begin() + (begin + count) * per_row);
  }

  QuantTensor t_;
  std::vector<int32_t> k_order_;
  float outlier_threshold_ = 0;
  int64_t bad_row_ = -1;
  absl::Status error_;
};

}  // namespace quantd

#endif  // QUANTD_TESTS_KERNELS_GEMM_GEMM_TEST_UTIL_H_
