// The scalar reference: in double precision and as the formulas are written, for any processor.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/ops/ops_kernels.h"

namespace quantd::isa_reference {

void RmsNorm(const float* x, const float* weight, float eps, int64_t n, float* out) {
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * x[i];
  const double scale = 1.0 / std::sqrt(squares / static_cast<double>(n) + eps);
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(x[i] * scale * weight[i]);
}

void Rope(float* x, const float* cos, const float* sin, int64_t rope_dim, bool adjacent) {
  const int64_t half = rope_dim / 2;
  for (int64_t i = 0; i < half; ++i) {
    float* const first = x + (adjacent ? 2 * i : i);
    float* const second = first + (adjacent ? 1 : half);
    const double a = *first, b = *second;
    *first = static_cast<float>(a * cos[i] - b * sin[i]);
    *second = static_cast<float>(a * sin[i] + b * cos[i]);
  }
}

void Swiglu(const float* gate, const float* up, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) {
    const double v = gate[i];
    out[i] = static_cast<float>(v / (1.0 + std::exp(-v)) * up[i]);
  }
}

void Geglu(const float* gate, const float* up, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) {
    const double v = gate[i];
    const double u = std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v);
    // (1 + tanh(u)) / 2 without the cancellation where tanh(u) is close to -1.
    out[i] = static_cast<float>(v / (1.0 + std::exp(-2 * u)) * up[i]);
  }
}

void SoftCap(float* x, float cap, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    x[i] = static_cast<float>(cap * std::tanh(x[i] / static_cast<double>(cap)));
  }
}

void Add(float* x, const float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] += y[i];
}

void Softmax(float* x, int64_t n) {
  const double max = *std::max_element(x, x + n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i] - max);
  for (int64_t i = 0; i < n; ++i) x[i] = static_cast<float>(std::exp(x[i] - max) / sum);
}

}  // namespace quantd::isa_reference
