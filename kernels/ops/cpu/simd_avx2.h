#ifndef QUANTD_KERNELS_OPS_CPU_SIMD_AVX2_H_
#define QUANTD_KERNELS_OPS_CPU_SIMD_AVX2_H_

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

namespace quantd::isa_avx2 {

/// The vector type that the ops and the attention of this instruction set are written in: 8 floats
/// of AVX2 with FMA and F16C. simd_avx512.h has the same members for 16. "Partial" forms touch
/// the first n elements of memory only, 0 <= n <= kWidth; the loads give 0 for the others.
struct Simd {
  using F = __m256;
  static constexpr int kWidth = 8;

  static F Zero() { return _mm256_setzero_ps(); }
  static F Set(float v) { return _mm256_set1_ps(v); }
  static F Load(const float* p) { return _mm256_loadu_ps(p); }
  static F Load(const uint16_t* half) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(half)));
  }
  static F LoadPartial(const float* p, int64_t n) { return _mm256_maskload_ps(p, Mask(n)); }
  static F LoadPartial(const uint16_t* half, int64_t n) {
    uint16_t copy[kWidth] = {};
    memcpy(copy, half, static_cast<size_t>(n) * sizeof(uint16_t));
    return Load(copy);
  }
  static void Store(float* p, F v) { _mm256_storeu_ps(p, v); }
  static void Store(uint16_t* half, F v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(half),
                     _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static void StorePartial(float* p, int64_t n, F v) { _mm256_maskstore_ps(p, Mask(n), v); }
  static void StorePartial(uint16_t* half, int64_t n, F v) {
    uint16_t copy[kWidth];
    Store(copy, v);
    memcpy(half, copy, static_cast<size_t>(n) * sizeof(uint16_t));
  }

  static F Add(F a, F b) { return _mm256_add_ps(a, b); }
  static F Sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F Mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F Div(F a, F b) { return _mm256_div_ps(a, b); }
  static F Fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F NegFma(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }  ///< c - a * b
  /// b where either is NaN: put the value that must pass a NaN on second.
  static F Max(F a, F b) { return _mm256_max_ps(a, b); }
  static F Min(F a, F b) { return _mm256_min_ps(a, b); }
  static F NegAbs(F a) { return _mm256_or_ps(a, _mm256_set1_ps(-0.0f)); }
  static F Round(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  /// a where the sign bit of `sign` is set, else b.
  static F SelectNegative(F sign, F a, F b) { return _mm256_blendv_ps(b, a, sign); }
  /// The first n elements of a, `other` from there on.
  static F KeepFirst(F a, int64_t n, F other) {
    return _mm256_blendv_ps(other, a, _mm256_castsi256_ps(Mask(n)));
  }
  /// a * 2^n for integral n in [-250, 250], rounded once: in two steps, because 2^n alone may be
  /// outside the range of a float when the product is inside.
  static F Scale(F a, F n) {
    const __m256i whole = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(whole, 1);
    return Mul(Mul(a, PowerOfTwo(half)), PowerOfTwo(_mm256_sub_epi32(whole, half)));
  }

  static float ReduceAdd(F a) {
    __m128 v = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
  }
  static float ReduceMax(F a) {
    __m128 v = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    v = _mm_max_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
  }

  /// A running sum in double precision, for sums over whole rows.
  struct Sum {
    __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();
    void Add(F a) {
      low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(a)));
      high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)));
    }
    void AddSquare(F a) {
      const __m256d l = _mm256_cvtps_pd(_mm256_castps256_ps128(a));
      const __m256d h = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
      low = _mm256_fmadd_pd(l, l, low);
      high = _mm256_fmadd_pd(h, h, high);
    }
    double Total() const {
      const __m256d s = _mm256_add_pd(low, high);
      const __m128d v = _mm_add_pd(_mm256_castpd256_pd128(s), _mm256_extractf128_pd(s, 1));
      return _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v)));
    }
  };

  /// kWidth / 2 numbers, each twice: a0 a0 a1 a1 ...
  static F LoadTwice(const float* p) {
    const __m256 v = _mm256_castps128_ps256(_mm_loadu_ps(p));
    return _mm256_permutevar8x32_ps(v, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
  }
  static F SwapPairs(F a) { return _mm256_permute_ps(a, 0xB1); }
  /// a * b - c in even elements, a * b + c in odd ones.
  static F FmaSubAdd(F a, F b, F c) { return _mm256_fmaddsub_ps(a, b, c); }

 private:
  static __m256i Mask(int64_t n) {
    alignas(32) static const int32_t kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - n));
  }
  static F PowerOfTwo(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
};

}  // namespace quantd::isa_avx2

#endif  // QUANTD_KERNELS_OPS_CPU_SIMD_AVX2_H_
