#ifndef QUANTD_KERNELS_GEMM_CPU_SIMD_YMM_H_
#define QUANTD_KERNELS_GEMM_CPU_SIMD_YMM_H_

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/base/code_tables.h"
#include "kernels/gemm/cpu/rows32_kernels.h"

namespace quantd {

// What the instruction sets with 256-bit registers have in common: a pair of vectors holds the 16
// rows. `Self` is the Simd that derives from it (see rows32_kernels.h) and only makes this its own
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
  static constexpr int kFineColumns = 4;
  static constexpr int kFloatColumns = 6;

  static constexpr int kBatchHalves = 1;
  static constexpr bool kBf16 = false;
  static constexpr bool kOneSign = false;
  static constexpr int kScaledGroups = 1;

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
  static QUANTD_INLINE __m128i Load8Bytes(const uint8_t* at) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
  }
  static QUANTD_INLINE Floats LoadI8(const uint8_t* at) {
    return {{_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(Load8Bytes(at))),
             _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(Load8Bytes(at + 8)))}};
  }
  static QUANTD_INLINE Floats LoadU8(const uint8_t* at) {
    return {{_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(Load8Bytes(at))),
             _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(Load8Bytes(at + 8)))}};
  }
  template <int kShift>  // 0: low halves of the bytes, 4: high ones
  static QUANTD_INLINE Floats LoadU4(const uint8_t* at) {
    Floats result;
    for (int h = 0; h < 2; ++h) {
      const __m256i bytes = _mm256_srli_epi32(_mm256_cvtepu8_epi32(Load8Bytes(at + 8 * h)), kShift);
      result.v[h] = _mm256_cvtepi32_ps(_mm256_and_si256(bytes, _mm256_set1_epi32(15)));
    }
    return result;
  }
  // 2^(e - 128): half of the float with exponent field e; the field 0 would mean 0, and stands for
  // the subnormal 2^-127.
  static QUANTD_INLINE Floats LoadE8M0(const uint8_t* at) {
    Floats result;
    for (int h = 0; h < 2; ++h) {
      const __m256i field = _mm256_slli_epi32(_mm256_cvtepu8_epi32(Load8Bytes(at + 8 * h)), 23);
      result.v[h] = _mm256_castsi256_ps(_mm256_max_epi32(field, _mm256_set1_epi32(0x00400000)));
    }
    return Mul(result, Set1(0.5f));
  }
  static QUANTD_INLINE Floats Negate(const Floats& a) {
    return {{_mm256_xor_ps(a.v[0], _mm256_set1_ps(-0.0f)),
             _mm256_xor_ps(a.v[1], _mm256_set1_ps(-0.0f))}};
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
  static QUANTD_INLINE Floats LoadFirst(const float* at, int count) {
    float all[16] = {};
    memcpy(all, at, count * sizeof(float));
    return {{_mm256_loadu_ps(all), _mm256_loadu_ps(all + 8)}};
  }
  template <int kN>
  static QUANTD_INLINE Bytes AddBytes(const Bytes& bytes) {
    const __m256i all = _mm256_set1_epi8(static_cast<char>(kN));
    return {{_mm256_add_epi8(bytes.v[0], all), _mm256_add_epi8(bytes.v[1], all)}};
  }
  static QUANTD_INLINE void StoreBytes(uint8_t* at, const Bytes& bytes) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), bytes.v[0]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at + 32), bytes.v[1]);
  }
  static QUANTD_INLINE Ints ZeroInts() {
    return {{_mm256_setzero_si256(), _mm256_setzero_si256()}};
  }
  static QUANTD_INLINE Ints Set1(int32_t value) {
    return {{_mm256_set1_epi32(value), _mm256_set1_epi32(value)}};
  }
  static QUANTD_INLINE Ints ShiftLeft(const Ints& a, const Ints& count) {
    return {{_mm256_sllv_epi32(a.v[0], count.v[0]), _mm256_sllv_epi32(a.v[1], count.v[1])}};
  }
  static QUANTD_INLINE Ints Add(const Ints& a, const Ints& b) {
    return {{_mm256_add_epi32(a.v[0], b.v[0]), _mm256_add_epi32(a.v[1], b.v[1])}};
  }
  // zero * start in every lane, zero being 0 or a power of two.
  template <int kZero>
  static QUANTD_INLINE Ints TimesZero(int32_t start) {
    if constexpr (kZero == 0) return ZeroInts();
    const __m256i v = _mm256_slli_epi32(_mm256_set1_epi32(start), __builtin_ctz(kZero | 1 << 30));
    return {{v, v}};
  }

  template <int kLowShift, int kHighShift>
  static QUANTD_INLINE Bytes SixBits(const uint8_t* low, const uint8_t* high) {
    Bytes result;
    for (int h = 0; h < 2; ++h) {
      __m256i bottom = LoadVector(low + 32 * h), top = LoadVector(high + 32 * h);
      if constexpr (kLowShift > 0) bottom = _mm256_srli_epi16(bottom, kLowShift);
      if constexpr (kHighShift < 4) top = _mm256_slli_epi16(top, 4 - kHighShift);
      if constexpr (kHighShift > 4) top = _mm256_srli_epi16(top, kHighShift - 4);
      result.v[h] = _mm256_or_si256(_mm256_and_si256(bottom, _mm256_set1_epi8(15)),
                                    _mm256_and_si256(top, _mm256_set1_epi8(48)));
    }
    return result;
  }

  template <PackedFormat kFormat, int j>
  static QUANTD_INLINE Bytes CodeBytes(const uint8_t* block, int h) {
    Bytes result;
    result.v[0] = QuarterOfCodes<kFormat, j>(block + 64 * h);
    result.v[1] = QuarterOfCodes<kFormat, j>(block + 64 * h + 32);
    return result;
  }

  template <PackedFormat kFormat, int kShift>
  static QUANTD_INLINE Floats CodeFloats(const uint8_t* at) {
    return {{EightFloats<kFormat, kShift>(at), EightFloats<kFormat, kShift>(at + 32)}};
  }

 private:
  // Half of the 64 bytes of vector (j, h); `at`: that half of the block's first vector.
  template <PackedFormat kFormat, int j>
  static QUANTD_INLINE __m256i QuarterOfCodes(const uint8_t* at) {
    constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
    constexpr int kLow = f.low_bits(), kHigh = f.high_bits();
    __m256i v = LoadVector(at + 128 * (j % kLow));
    if constexpr (kLow == 8) return v;
    if constexpr (j >= kLow) v = _mm256_srli_epi16(v, j / kLow * kLow);
    v = _mm256_and_si256(v, _mm256_set1_epi8((1 << kLow) - 1));
    if constexpr (kHigh > 0) {
      constexpr int kAt = j / kHigh * kHigh;  // of the bits within their byte
      __m256i high = LoadVector(at + 128 * kLow + 128 * (j % kHigh));
      if constexpr (kAt < kLow) high = _mm256_slli_epi16(high, kLow - kAt);
      if constexpr (kAt > kLow) high = _mm256_srli_epi16(high, kAt - kLow);
      constexpr int kMask = ((1 << kHigh) - 1) << kLow;
      v = _mm256_or_si256(v, _mm256_and_si256(high, _mm256_set1_epi8(kMask)));
    }
    if constexpr (f.codes == Codes::kIntTable) {
      constexpr const signed char* table =
          kFormat == PackedFormat::kMxFp4 ? kE2M1Table : kIq4NlTable;
      const __m128i values = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)),
                                           _mm_set1_epi8(-128));
      v = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(values), v);
    }
    return v;
  }

  template <PackedFormat kFormat, int kShift>
  static QUANTD_INLINE __m256 EightFloats(const uint8_t* at) {
    __m256i v = LoadVector(at);
    if constexpr (FormatOf(kFormat).codes == Codes::kFloatTable) {
      if constexpr (kShift > 0) v = _mm256_srli_epi32(v, kShift);
      const float* const table = kFormat == PackedFormat::kNf4 ? kNf4Table : kFp4Table;
      // The permutations read the low 3 bits of an index; bit 3, moved to the top, chooses.
      const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), v);
      const __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), v);
      return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(v, 28)));
    } else {
      // See E4M3ToFloat. The shift copies the sign, of which the mask keeps one.
      const __m256i top = kShift == 24 ? v : _mm256_slli_epi32(v, 24 - kShift);
      const __m256i parts = _mm256_and_si256(_mm256_srai_epi32(top, 4),
                                             _mm256_set1_epi32(static_cast<int>(0x87f00000u)));
      return _mm256_mul_ps(_mm256_castsi256_ps(parts), _mm256_set1_ps(0x1p120f));
    }
  }
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_SIMD_YMM_H_
