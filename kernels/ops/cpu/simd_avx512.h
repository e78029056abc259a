#ifndef QUANTD_KERNELS_OPS_CPU_SIMD_AVX512_H_
#define QUANTD_KERNELS_OPS_CPU_SIMD_AVX512_H_

#include <immintrin.h>
#include <stdint.h>

namespace quantd::isa_avx512vnni {

/// As isa_avx2::Simd (simd_avx2.h says what each member does), with 16 floats of AVX-512 F, BW,
/// DQ and VL.
struct Simd {
  using F = __m512;
  static constexpr int kWidth = 16;

  static F Zero() { return _mm512_setzero_ps(); }
  static F Set(float v) { return _mm512_set1_ps(v); }
  static F Load(const float* p) { return _mm512_loadu_ps(p); }
  static F Load(const uint16_t* half) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(half)));
  }
  static F LoadPartial(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(Mask(n), p); }
  static F LoadPartial(const uint16_t* half, int64_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(Mask(n), half));
  }
  static void Store(float* p, F v) { _mm512_storeu_ps(p, v); }
  static void Store(uint16_t* half, F v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(half), ToHalf(v));
  }
  static void StorePartial(float* p, int64_t n, F v) { _mm512_mask_storeu_ps(p, Mask(n), v); }
  static void StorePartial(uint16_t* half, int64_t n, F v) {
    _mm256_mask_storeu_epi16(half, Mask(n), ToHalf(v));
  }

  static F Add(F a, F b) { return _mm512_add_ps(a, b); }
  static F Sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F Mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F Div(F a, F b) { return _mm512_div_ps(a, b); }
  static F Fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F NegFma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
  static F Max(F a, F b) { return _mm512_max_ps(a, b); }
  static F Min(F a, F b) { return _mm512_min_ps(a, b); }
  static F NegAbs(F a) { return _mm512_or_ps(a, _mm512_set1_ps(-0.0f)); }
  static F Round(F a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static F SelectNegative(F sign, F a, F b) {
    return _mm512_mask_blend_ps(_mm512_movepi32_mask(_mm512_castps_si512(sign)), b, a);
  }
  static F KeepFirst(F a, int64_t n, F other) { return _mm512_mask_blend_ps(Mask(n), other, a); }
  static F Scale(F a, F n) { return _mm512_scalef_ps(a, n); }

  static float ReduceAdd(F a) {
    const __m256 v = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 w = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    w = _mm_add_ps(w, _mm_movehl_ps(w, w));
    return _mm_cvtss_f32(_mm_add_ss(w, _mm_movehdup_ps(w)));
  }
  static float ReduceMax(F a) {
    const __m256 v = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 w = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    w = _mm_max_ps(w, _mm_movehl_ps(w, w));
    return _mm_cvtss_f32(_mm_max_ss(w, _mm_movehdup_ps(w)));
  }

  struct Sum {
    __m512d low = _mm512_setzero_pd(), high = _mm512_setzero_pd();
    void Add(F a) {
      low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(a)));
      high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)));
    }
    void AddSquare(F a) {
      const __m512d l = _mm512_cvtps_pd(_mm512_castps512_ps256(a));
      const __m512d h = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
      low = _mm512_fmadd_pd(l, l, low);
      high = _mm512_fmadd_pd(h, h, high);
    }
    double Total() const {
      const __m512d s = _mm512_add_pd(low, high);
      const __m256d v = _mm256_add_pd(_mm512_castpd512_pd256(s), _mm512_extractf64x4_pd(s, 1));
      const __m128d w = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
      return _mm_cvtsd_f64(_mm_add_sd(w, _mm_unpackhi_pd(w, w)));
    }
  };

  static F LoadTwice(const float* p) {
    const __m512 v = _mm512_castps256_ps512(_mm256_loadu_ps(p));
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(twice, v);
  }
  static F SwapPairs(F a) { return _mm512_permute_ps(a, 0xB1); }
  static F FmaSubAdd(F a, F b, F c) { return _mm512_fmaddsub_ps(a, b, c); }

 private:
  static __mmask16 Mask(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static __m256i ToHalf(F v) {
    return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
};

}  // namespace quantd::isa_avx512vnni

#endif  // QUANTD_KERNELS_OPS_CPU_SIMD_AVX512_H_
