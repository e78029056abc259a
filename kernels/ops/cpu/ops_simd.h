#ifndef QUANTD_KERNELS_OPS_CPU_OPS_SIMD_H_
#define QUANTD_KERNELS_OPS_CPU_OPS_SIMD_H_

#include <math.h>
#include <stdint.h>

#include "kernels/ops/cpu/simd_math.h"

// The ops over the vector type V of an ISA unit. The last, incomplete vector goes through the same
// instructions as the others: an element's result does not depend on where a range was cut. Sums
// over a row are kept in double precision: exact enough for any length, and no square overflows.

namespace quantd::simd {

template <class V>
void RmsNorm(const float* x, const float* weight, float eps, int64_t n, float* out) {
  typename V::Sum squares;
  ForEachVector<V>(n, [&](int64_t i, int64_t m) { squares.AddSquare(LoadN<V>(x + i, m)); });
  const double mean = squares.Total() / static_cast<double>(n);
  const typename V::F scale = V::Set(static_cast<float>(1.0 / sqrt(mean + eps)));
  ForEachVector<V>(n, [&](int64_t i, int64_t m) {
    StoreN<V>(out + i, m, V::Mul(V::Mul(LoadN<V>(x + i, m), scale), LoadN<V>(weight + i, m)));
  });
}

/// Pairs (2i, 2i+1), kWidth / 2 of them in a vector.
template <class V>
void RopeAdjacent(float* x, const float* cos, const float* sin, int64_t rope_dim) {
  int64_t i = 0;
  for (; i + V::kWidth <= rope_dim; i += V::kWidth) {
    const typename V::F v = V::Load(x + i);
    const typename V::F turned = V::Mul(V::SwapPairs(v), V::LoadTwice(sin + i / 2));
    V::Store(x + i, V::FmaSubAdd(v, V::LoadTwice(cos + i / 2), turned));
  }
  for (; i < rope_dim; i += 2) {
    const float a = x[i], b = x[i + 1], c = cos[i / 2], s = sin[i / 2];
    x[i] = __builtin_fmaf(a, c, -(b * s));
    x[i + 1] = __builtin_fmaf(b, c, a * s);
  }
}

/// Pairs (i, i + rope_dim / 2).
template <class V>
void RopeHalves(float* x, const float* cos, const float* sin, int64_t rope_dim) {
  const int64_t half = rope_dim / 2;
  ForEachVector<V>(half, [&](int64_t i, int64_t m) {
    const typename V::F a = LoadN<V>(x + i, m), b = LoadN<V>(x + half + i, m);
    const typename V::F c = LoadN<V>(cos + i, m), s = LoadN<V>(sin + i, m);
    StoreN<V>(x + i, m, V::NegFma(b, s, V::Mul(a, c)));
    StoreN<V>(x + half + i, m, V::Fma(a, s, V::Mul(b, c)));
  });
}

template <class V>
void Swiglu(const float* gate, const float* up, int64_t n, float* out) {
  ForEachVector<V>(n, [&](int64_t i, int64_t m) {
    StoreN<V>(out + i, m, V::Mul(Silu<V>(LoadN<V>(gate + i, m)), LoadN<V>(up + i, m)));
  });
}

template <class V>
void Geglu(const float* gate, const float* up, int64_t n, float* out) {
  ForEachVector<V>(n, [&](int64_t i, int64_t m) {
    StoreN<V>(out + i, m, V::Mul(Gelu<V>(LoadN<V>(gate + i, m)), LoadN<V>(up + i, m)));
  });
}

template <class V>
void SoftCap(float* x, float cap, int64_t n) {
  const typename V::F top = V::Set(cap), inverse = V::Set(1.0f / cap);
  ForEachVector<V>(n, [&](int64_t i, int64_t m) {
    StoreN<V>(x + i, m, V::Mul(Tanh<V>(V::Mul(LoadN<V>(x + i, m), inverse)), top));
  });
}

template <class V>
void Add(float* x, const float* y, int64_t n) {
  ForEachVector<V>(n, [&](int64_t i, int64_t m) {
    StoreN<V>(x + i, m, V::Add(LoadN<V>(x + i, m), LoadN<V>(y + i, m)));
  });
}

template <class V>
void Softmax(float* x, int64_t n) {
  using F = typename V::F;
  const F lowest = V::Set(-INFINITY);
  F max = lowest;
  ForEachVector<V>(n, [&](int64_t i, int64_t m) {
    max = V::Max(max, V::KeepFirst(LoadN<V>(x + i, m), m, lowest));
  });
  const F top = V::Set(V::ReduceMax(max));
  typename V::Sum sum;
  ForEachVector<V>(n, [&](int64_t i, int64_t m) {
    const F e = V::KeepFirst(Exp<V>(V::Sub(LoadN<V>(x + i, m), top)), m, V::Zero());
    sum.Add(e);
    StoreN<V>(x + i, m, e);
  });
  const F scale = V::Set(static_cast<float>(1.0 / sum.Total()));
  ForEachVector<V>(
      n, [&](int64_t i, int64_t m) { StoreN<V>(x + i, m, V::Mul(LoadN<V>(x + i, m), scale)); });
}

}  // namespace quantd::simd

#endif  // QUANTD_KERNELS_OPS_CPU_OPS_SIMD_H_
