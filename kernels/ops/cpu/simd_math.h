#ifndef QUANTD_KERNELS_OPS_CPU_SIMD_MATH_H_
#define QUANTD_KERNELS_OPS_CPU_SIMD_MATH_H_

#include <stdint.h>

// Functions over the vector type V of an ISA unit (simd_avx2.h, simd_avx512.h). Templates of V
// only: every instance belongs to one instruction set, so none can be linked into another's place.

namespace quantd::simd {

/// exp of every element within 2 ulp, subnormal results included; 0 below -103.97, infinity
/// above 88.72, NaN for NaN. x = n ln 2 + r with |r| <= ln 2 / 2, exp(x) = 2^n exp(r); exp(r) is
/// 1 + r + r^2 q(r) with q of degree 4 through the Chebyshev nodes, which is 0.14 ulp off.
template <class V>
inline typename V::F Exp(typename V::F x) {
  using F = typename V::F;
  // Beyond these bounds the result is 0 or infinity anyway, and n stays in the range of Scale.
  x = V::Max(V::Set(-104.0f), V::Min(V::Set(89.0f), x));
  const F n = V::Round(V::Mul(x, V::Set(1.44269504f)));
  // ln 2 in two parts, the first with so few bits that n times it is exact.
  F r = V::NegFma(n, V::Set(0.693145752f), x);
  r = V::NegFma(n, V::Set(1.42860677e-6f), r);
  F q = V::Fma(V::Set(0.00139262504f), r, V::Set(0.00836323295f));
  q = V::Fma(q, r, V::Set(0.0416665524f));
  q = V::Fma(q, r, V::Set(0.166665763f));
  q = V::Fma(q, r, V::Set(0.5f));
  const F e = V::Add(V::Fma(V::Mul(r, r), q, r), V::Set(1.0f));
  return V::Scale(e, n);
}

/// tanh of every element within 3 ulp; NaN for NaN. From |x| = 0.55 on (1 - e) / (1 + e) with
/// e = exp(-2|x|), which cannot overflow; below that x + x^3 q(x^2), where the difference would
/// cancel, with q of degree 4 through the Chebyshev nodes, which is 0.1 ulp off.
template <class V>
inline typename V::F Tanh(typename V::F x) {
  using F = typename V::F;
  const F one = V::Set(1.0f), minus = V::NegAbs(x);
  const F e = Exp<V>(V::Add(minus, minus));
  const F large = V::Div(V::Sub(one, e), V::Add(one, e));
  const F square = V::Mul(x, x);
  F q = V::Fma(V::Set(-0.00661022775f), square, V::Set(0.0213093888f));
  q = V::Fma(q, square, V::Set(-0.0539094284f));
  q = V::Fma(q, square, V::Set(0.133331135f));
  q = V::Fma(q, square, V::Set(-0.333333313f));
  const F small = V::Fma(V::Mul(x, square), q, x);
  const F signed_large = V::SelectNegative(x, V::Sub(V::Zero(), large), large);
  return V::SelectNegative(V::Add(minus, V::Set(0.55f)), signed_large, small);
}

/// v / (1 + exp(-w)), v and w of one sign. Through exp(-|w|), which cannot overflow: for negative
/// w the fraction is widened by exp(w).
template <class V>
inline typename V::F Gated(typename V::F v, typename V::F w) {
  using F = typename V::F;
  const F e = Exp<V>(V::NegAbs(w));
  const F numerator = V::SelectNegative(v, V::Mul(v, e), v);
  return V::Div(numerator, V::Add(e, V::Set(1.0f)));
}

/// v / (1 + exp(-v)).
template <class V>
inline typename V::F Silu(typename V::F v) {
  return Gated<V>(v, v);
}

/// v / 2 (1 + tanh(u)), u = sqrt(2 / pi) (v + 0.044715 v^3); as v / (1 + exp(-2 u)), which is the
/// same and loses nothing where tanh(u) is close to -1.
template <class V>
inline typename V::F Gelu(typename V::F v) {
  using F = typename V::F;
  const F twice = V::Set(1.59576912f);    // 2 sqrt(2 / pi)
  const F cubic = V::Set(0.0713548163f);  // of which 0.044715
  return Gated<V>(v, V::Mul(v, V::Fma(V::Mul(v, v), cubic, twice)));
}

/// Calls body(i, n) for [0, size) in steps of one vector: n is kWidth but for the last.
template <class V, class Body>
inline void ForEachVector(int64_t size, Body body) {
  int64_t i = 0;
  for (; i + V::kWidth <= size; i += V::kWidth) body(i, int64_t{V::kWidth});
  if (i < size) body(i, size - i);
}

/// Loads and stores of n <= kWidth elements of float or half, through the plain instruction when
/// the vector is full.
template <class V, class T>
inline typename V::F LoadN(const T* p, int64_t n) {
  return n == V::kWidth ? V::Load(p) : V::LoadPartial(p, n);
}
template <class V, class T>
inline void StoreN(T* p, int64_t n, typename V::F v) {
  if (n == V::kWidth) {
    V::Store(p, v);
  } else {
    V::StorePartial(p, n, v);
  }
}

}  // namespace quantd::simd

#endif  // QUANTD_KERNELS_OPS_CPU_SIMD_MATH_H_
