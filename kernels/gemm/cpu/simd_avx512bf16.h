#ifndef QUANTD_KERNELS_GEMM_CPU_SIMD_AVX512BF16_H_
#define QUANTD_KERNELS_GEMM_CPU_SIMD_AVX512BF16_H_

#include "kernels/gemm/cpu/simd_zmm.h"

namespace quantd {

// 512-bit registers with products of BF16. `Self`: see ZmmBase.
template <class Self>
struct Bf16Base : ZmmBase<Self> {
  using Base = ZmmBase<Self>;
  using Pairs = __m512i;
  static constexpr bool kBf16 = true;

  // The pairs of 16 rows from the values of 32 rows: rows 16 h + i of `k` and of `next`, for i = 0,
  // 1 ...
  template <int kHalf>
  static QUANTD_INLINE Pairs Interleave(__m512i k, __m512i next) {
    const __m512i rows = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    // Word indices: a row of k, and 32 above it the row of next.
    const __m512i low = _mm512_add_epi32(rows, _mm512_set1_epi32(16 * kHalf));
    const __m512i index =
        _mm512_or_si512(low, _mm512_slli_epi32(_mm512_or_si512(low, _mm512_set1_epi32(32)), 16));
    return _mm512_permutex2var_epi16(k, index, next);
  }

  // 32 F16 values, rounded.
  static QUANTD_INLINE __m512i RoundHalves(const uint8_t* at) {
    return reinterpret_cast<__m512i>(
        _mm512_cvtne2ps_pbh(Base::LoadF16(at + 2 * kHalfRows), Base::LoadF16(at)));
  }

  template <PackedFormat kFormat>
  static QUANTD_INLINE void LoadPairs(const uint8_t* k, const uint8_t* next, Pairs pairs[2]) {
    __m512i first, second;
    if constexpr (kFormat == PackedFormat::kF16) {
      first = RoundHalves(k);
      second = RoundHalves(next);
    } else {
      first = _mm512_loadu_si512(k);
      second = _mm512_loadu_si512(next);
    }
    pairs[0] = Interleave<0>(first, second);
    pairs[1] = Interleave<1>(first, second);
  }

  static QUANTD_INLINE __m512 DotPairs(__m512 acc, Pairs weights, const uint16_t* pair) {
    return _mm512_dpbf16_ps(acc, reinterpret_cast<__m512bh>(weights),
                            reinterpret_cast<__m512bh>(Base::Broadcast4(pair)));
  }
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_SIMD_AVX512BF16_H_
