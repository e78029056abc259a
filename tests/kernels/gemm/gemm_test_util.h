#ifndef QUANTD_TESTS_KERNELS_GEMM_GEMM_TEST_UTIL_H_
#define QUANTD_TESTS_KERNELS_GEMM_GEMM_TEST_UTIL_H_

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "kernels/base/float16.h"
#include "kernels/base/weight_source.h"

namespace quantd {

inline float RoundTo(CodeType type, float value) {
  if (type == CodeType::kF16) return HalfToFloat(FloatToHalf(value));
  if (type == CodeType::kBF16) return BFloat16ToFloat(FloatToBFloat16(value));
  return value;
}

inline float RoundScale(ScaleType type, float value) {
  return type == ScaleType::kF16 ? HalfToFloat(FloatToHalf(value)) : value;
}

/// Random weights [n, k] that the format holds exactly: normal values around 0.05.
inline QuantTensor RandomTensor(const QuantFormat& format, int64_t n, int64_t k, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  QuantTensor t;
  t.format = format;
  t.rows = n;
  t.cols = k;
  if (format.is_float()) {
    for (int64_t i = 0; i < n * k; ++i) t.values.push_back(RoundTo(format.code, normal(random)));
    return t;
  }
  std::uniform_int_distribution<int> code(0, (1 << format.bits) - 1);
  for (int64_t i = 0; i < n * k; ++i) t.codes.push_back(static_cast<uint8_t>(code(random)));
  const float unit = 1.0f / static_cast<float>(1 << format.bits);
  for (int64_t i = 0; i < n * k / format.group; ++i) {
    t.scales.push_back(RoundScale(format.scale, normal(random) * unit * 4));
    if (format.zero == ZeroType::kMin) {
      t.mins.push_back(RoundScale(format.scale, normal(random)));
    }
  }
  return t;
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
  absl::Status Decode(int64_t begin, int64_t count, QuantTensor* out) const override {
    if (!error_.ok() && begin <= bad_row_ && bad_row_ < begin + count) return error_;
    out->format = t_.format;
    out->rows = count;
    out->cols = t_.cols;
    Copy(t_.values, begin, count, &out->values);
    Copy(t_.codes, begin, count, &out->codes);
    Copy(t_.scales, begin, count, &out->scales);
    Copy(t_.mins, begin, count, &out->mins);
    return absl::OkStatus();
  }

 private:
  template <typename T>
  void Copy(const std::vector<T>& from, int64_t begin, int64_t count, std::vector<T>* to) const {
    const int64_t per_row = static_cast<int64_t>(from.size()) / t_.rows;
    to->assign(from.begin() + begin * per_row, from.begin() + (begin + count) * per_row);
  }

  QuantTensor t_;
  int64_t bad_row_ = -1;
  absl::Status error_;
};

}  // namespace quantd

#endif  // QUANTD_TESTS_KERNELS_GEMM_GEMM_TEST_UTIL_H_
