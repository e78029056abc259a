#include "kernels/ops/cpu/ops_simd.h"
#include "kernels/ops/cpu/simd_avx2.h"
#include "kernels/ops/ops_kernels.h"

namespace quantd::isa_avx2 {

void RmsNorm(const float* x, const float* weight, float eps, int64_t n, float* out) {
  simd::RmsNorm<Simd>(x, weight, eps, n, out);
}

void Rope(float* x, const float* cos, const float* sin, int64_t rope_dim, bool adjacent) {
  if (adjacent) {
    simd::RopeAdjacent<Simd>(x, cos, sin, rope_dim);
  } else {
    simd::RopeHalves<Simd>(x, cos, sin, rope_dim);
  }
}

void Swiglu(const float* gate, const float* up, int64_t n, float* out) {
  simd::Swiglu<Simd>(gate, up, n, out);
}

void Geglu(const float* gate, const float* up, int64_t n, float* out) {
  simd::Geglu<Simd>(gate, up, n, out);
}

void SoftCap(float* x, float cap, int64_t n) { simd::SoftCap<Simd>(x, cap, n); }

void Add(float* x, const float* y, int64_t n) { simd::Add<Simd>(x, y, n); }

void Softmax(float* x, int64_t n) { simd::Softmax<Simd>(x, n); }

}  // namespace quantd::isa_avx2
