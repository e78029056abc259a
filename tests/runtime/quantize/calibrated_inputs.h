#ifndef QUANTD_TESTS_RUNTIME_QUANTIZE_CALIBRATED_INPUTS_H_
#define QUANTD_TESTS_RUNTIME_QUANTIZE_CALIBRATED_INPUTS_H_

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/base/weight_source.h"

namespace quantd {

/// Inputs X [rows, k] whose features are correlated and of different size, some of them large, as
/// those of trained models are; and X^T X.
struct CalibratedInputs {
  CalibratedInputs(int64_t rows, int64_t k) : k(k) {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    constexpr int64_t kSources = 12;
    std::vector<float> mixing(kSources * k), sources(kSources);
    for (float& value : mixing) value = normal(random);
    products.assign(k * k, 0.0f);
    magnitudes.assign(k, 0.0f);
    std::vector<float> x(k);
    for (int64_t r = 0; r < rows; ++r) {
      for (float& source : sources) source = normal(random);
      for (int64_t c = 0; c < k; ++c) {
        x[c] = 0.3f * normal(random);
        for (int64_t s = 0; s < kSources; ++s) x[c] += sources[s] * mixing[s * k + c] * 0.3f;
        if (c % 17 == 3) x[c] *= 12;  // outlier channels
      }
      for (int64_t i = 0; i < k; ++i) {
        magnitudes[i] += std::fabs(x[i]) / static_cast<float>(rows);
        for (int64_t j = 0; j < k; ++j) products[i * k + j] += x[i] * x[j];
      }
    }
  }

  std::vector<float> Weights(int64_t rows) const {
    std::mt19937 random(5);
    std::normal_distribution<float> normal(0, 0.05f);
    std::vector<float> weights(rows * k);
    for (float& weight : weights) weight = normal(random);
    return weights;
  }

  /// ||X (W - W')^T||^2, W' being `coded` with column c as feature k_order[c].
  double OutputError(const std::vector<float>& weights, const QuantTensor& coded,
                     const std::vector<int32_t>& k_order = {}) const {
    double sum = 0;
    std::vector<double> difference(k);
    for (int64_t r = 0; r < coded.rows; ++r) {
      for (int64_t c = 0; c < k; ++c) {
        const int64_t feature = k_order.empty() ? c : k_order[c];
        difference[feature] = coded.At(r, c) - weights[r * k + feature];
      }
      for (int64_t i = 0; i < k; ++i) {
        for (int64_t j = 0; j < k; ++j) sum += difference[i] * products[i * k + j] * difference[j];
      }
    }
    return sum;
  }

  int64_t k;
  std::vector<float> products, magnitudes;
};

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_QUANTIZE_CALIBRATED_INPUTS_H_
