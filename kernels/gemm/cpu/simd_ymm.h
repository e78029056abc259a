#ifndef QUANTD_KERNELS_GEMM_CPU_SIMD_YMM_H_
#define QUANTD_KERNELS_GEMM_CPU_SIMD_YMM_H_

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/gemm/cpu/rows16_kernels.h"

namespace quantd {

// What the instruction sets with 256-bit registers have in common: a pair of vectors holds the 16
// rows. `Self` is the Simd that derives from it (see rows16_kernels.h) and only makes this its own
// type in each file.
template <class Self>
struct YmmBase {
  struct Floats {
    __m256 v[2];
  };
  struct Ints {
    __m256i v[2];
  };
  using Bytes = Ints;
  // 4 columns of two vectors are half of the 16 registers; the results of finished blocks wait
  // on the stack.
  static constexpr int kIntColumns = 4;
  static constexpr int kFloatColumns = 6;

  static QUANTD_INLINE __m256i LoadVector(const uint8_t* at) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  }
  static QUANTD_INLINE Floats Zero() { return Set1(0.0f); }
  static QUANTD_INLINE Floats Set1(float value) {
    return {{_mm256_set1_ps(value), _mm256_set1_ps(value)}};
  }
  static QUANTD_INLINE Floats LoadF32(const uint8_t* at) {
    const float* const p = reinterpret_cast<const float*>(at);
    return {{_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}};
  }
  static QUANTD_INLINE Floats LoadF16(const uint8_t* at) {
    const __m128i* const p = reinterpret_cast<const __m128i*>(at);
    return {{_mm256_cvtph_ps(_mm_loadu_si128(p)), _mm256_cvtph_ps(_mm_loadu_si128(p + 1))}};
  }
  static QUANTD_INLINE Floats LoadBF16(const uint8_t* at) {
    const __m128i* const p = reinterpret_cast<const __m128i*>(at);
    Floats result;
    for (int h = 0; h < 2; ++h) {
      const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(p + h));
      result.v[h] = _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
    }
    return result;
  }
  static QUANTD_INLINE Floats Fma(const Floats& a, const Floats& b, const Floats& c) {
    return {{_mm256_fmadd_ps(a.v[0], b.v[0], c.v[0]), _mm256_fmadd_ps(a.v[1], b.v[1], c.v[1])}};
  }
  static QUANTD_INLINE Floats Mul(const Floats& a, const Floats& b) {
    return {{_mm256_mul_ps(a.v[0], b.v[0]), _mm256_mul_ps(a.v[1], b.v[1])}};
  }
  static QUANTD_INLINE Floats ToFloats(const Ints& a) {
    return {{_mm256_cvtepi32_ps(a.v[0]), _mm256_cvtepi32_ps(a.v[1])}};
  }
  static QUANTD_INLINE void Store(float* at, const Floats& a) {
    _mm256_storeu_ps(at, a.v[0]);
    _mm256_storeu_ps(at + 8, a.v[1]);
  }
  static QUANTD_INLINE void StoreFirst(float* at, const Floats& a, int count) {
    float all[16];
    Store(all, a);
    memcpy(at, all, count * sizeof(float));
  }

  static QUANTD_INLINE __m256i Broadcast4(const void* at) {
    int32_t bytes;
    memcpy(&bytes, at, sizeof(bytes));
    return _mm256_set1_epi32(bytes);
  }
  template <int kLow, int kHigh>
  static QUANTD_INLINE Ints SumTimes(const int16_t* sums) {
    if constexpr (kLow == 0 && kHigh == 0) {
      return {{_mm256_setzero_si256(), _mm256_setzero_si256()}};
    }
    const __m256i factors = _mm256_set1_epi32((kLow & 0xffff) | static_cast<int>(kHigh * 65536u));
    const __m256i product = _mm256_madd_epi16(Broadcast4(sums), factors);
    return {{product, product}};
  }

  template <PackedFormat kFormat, int j>
  static QUANTD_INLINE Bytes Codes(const uint8_t* block) {
    Bytes result;
    result.v[0] = HalfOfCodes<kFormat, j>(block);
    result.v[1] = HalfOfCodes<kFormat, j>(block + 32);
    return result;
  }

 private:
  template <PackedFormat kFormat, int j>
  static QUANTD_INLINE __m256i HalfOfCodes(const uint8_t* block) {
    constexpr Rows16Format f = kRows16[static_cast<int>(kFormat)];
    if constexpr (f.bits > 5) return LoadVector(block + 64 * j);
    __m256i v = LoadVector(block + 64 * (j % 4));
    if constexpr (j >= 4) v = _mm256_srli_epi16(v, 4);
    v = _mm256_and_si256(v, _mm256_set1_epi8(15));
    if constexpr (f.bits == 5) {
      __m256i high = LoadVector(block + f.high_offset);
      if constexpr (j < 4) high = _mm256_slli_epi16(high, 4 - j);
      if constexpr (j > 4) high = _mm256_srli_epi16(high, j - 4);
      v = _mm256_or_si256(v, _mm256_and_si256(high, _mm256_set1_epi8(16)));
    }
    return v;
  }
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_SIMD_YMM_H_
