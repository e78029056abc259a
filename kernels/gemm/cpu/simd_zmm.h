#ifndef QUANTD_KERNELS_GEMM_CPU_SIMD_ZMM_H_
#define QUANTD_KERNELS_GEMM_CPU_SIMD_ZMM_H_

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/base/code_tables.h"
#include "kernels/gemm/cpu/rows32_kernels.h"

namespace quantd {

// The instruction sets with 512-bit registers and vpdpbusd. `Self` is the Simd that derives from it
// (see rows32_kernels.h) and only makes this its own type in each file.
template <class Self>
struct ZmmBase {
  using Floats = __m512;
  using Ints = __m512i;
  using Bytes = __m512i;
  // 2 x 5 sums and as many results, two vectors of weights, their scales and an activation: 25 of
  // 32 registers. With 6 columns compilers spill some of them.
  static constexpr int kIntColumns = 5;
  static constexpr int kFineColumns = 4;
  static constexpr int kFloatColumns = 8;
  static constexpr int kBatchHalves = 2;
  static constexpr bool kBf16 = false;
  static constexpr bool kOneSign = false;
  static constexpr int kScaledGroups = 2;

  static QUANTD_INLINE __m128i Load16Bytes(const uint8_t* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  }
  static QUANTD_INLINE Floats Zero() { return _mm512_setzero_ps(); }
  static QUANTD_INLINE Floats Set1(float value) { return _mm512_set1_ps(value); }
  static QUANTD_INLINE Floats LoadF32(const uint8_t* at) { return _mm512_loadu_ps(at); }
  static QUANTD_INLINE Floats LoadF16(const uint8_t* at) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
  }
  static QUANTD_INLINE Floats LoadBF16(const uint8_t* at) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  static QUANTD_INLINE Floats LoadI8(const uint8_t* at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(Load16Bytes(at)));
  }
  static QUANTD_INLINE Floats LoadU8(const uint8_t* at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(Load16Bytes(at)));
  }
  template <int kShift>  // 0: low halves of the bytes, 4: high ones
  static QUANTD_INLINE Floats LoadU4(const uint8_t* at) {
    const Ints bytes = _mm512_srli_epi32(_mm512_cvtepu8_epi32(Load16Bytes(at)), kShift);
    return _mm512_cvtepi32_ps(_mm512_and_si512(bytes, _mm512_set1_epi32(15)));
  }
  // 2^(e - 128): half of the float with exponent field e; the field 0 would mean 0, and stands for
  // the subnormal 2^-127.
  static QUANTD_INLINE Floats LoadE8M0(const uint8_t* at) {
    const Ints field = _mm512_slli_epi32(_mm512_cvtepu8_epi32(Load16Bytes(at)), 23);
    const Ints bits = _mm512_max_epi32(field, _mm512_set1_epi32(0x00400000));
    // As unsigned numbers: the field 255 has the sign bit clear, so signed order serves.
    return Mul(_mm512_castsi512_ps(bits), Set1(0.5f));
  }
  static QUANTD_INLINE Floats Fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static QUANTD_INLINE Floats Mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static QUANTD_INLINE Floats Negate(Floats a) { return _mm512_xor_ps(a, Set1(-0.0f)); }
  static QUANTD_INLINE Floats ToFloats(Ints v) { return _mm512_cvtepi32_ps(v); }
  static QUANTD_INLINE void Store(float* at, Floats v) { _mm512_storeu_ps(at, v); }
  static QUANTD_INLINE void StoreFirst(float* at, Floats v, int count) {
    _mm512_mask_storeu_ps(at, static_cast<__mmask16>((1u << count) - 1), v);
  }
  static QUANTD_INLINE Floats LoadFirst(const float* at, int count) {
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), at);
  }
  template <int kN>
  static QUANTD_INLINE Bytes AddBytes(Bytes bytes) {
    return _mm512_add_epi8(bytes, _mm512_set1_epi8(static_cast<char>(kN)));
  }
  static QUANTD_INLINE void StoreBytes(uint8_t* at, Bytes bytes) { _mm512_storeu_si512(at, bytes); }
  static QUANTD_INLINE Ints ZeroInts() { return _mm512_setzero_si512(); }
  static QUANTD_INLINE Ints Set1(int32_t value) { return _mm512_set1_epi32(value); }
  static QUANTD_INLINE Ints ShiftLeft(Ints a, Ints count) { return _mm512_sllv_epi32(a, count); }
  static QUANTD_INLINE Ints Add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }

  static QUANTD_INLINE Ints Broadcast4(const void* at) {
    int32_t bytes;
    memcpy(&bytes, at, sizeof(bytes));
    return _mm512_set1_epi32(bytes);
  }

  // Bits of vector (j, h) in a plane of kBits bits, at the bottom of each byte, the others zero.
  template <int kBits, int j>
  static QUANTD_INLINE Bytes Plane(const uint8_t* plane, int h) {
    Bytes v = _mm512_loadu_si512(plane + 128 * (j % kBits) + 64 * h);
    if constexpr (kBits == 8) return v;
    if constexpr (j >= kBits) v = _mm512_srli_epi16(v, j / kBits * kBits);
    return _mm512_and_si512(v, _mm512_set1_epi8((1 << kBits) - 1));
  }

  template <int kLowShift, int kHighShift>
  static QUANTD_INLINE Bytes SixBits(const uint8_t* low, const uint8_t* high) {
    Bytes bottom = _mm512_loadu_si512(low), top = _mm512_loadu_si512(high);
    if constexpr (kLowShift > 0) bottom = _mm512_srli_epi16(bottom, kLowShift);
    if constexpr (kHighShift < 4) top = _mm512_slli_epi16(top, 4 - kHighShift);
    if constexpr (kHighShift > 4) top = _mm512_srli_epi16(top, kHighShift - 4);
    // mask ? bottom : top
    const Bytes both = _mm512_ternarylogic_epi32(_mm512_set1_epi8(15), bottom, top, 0xca);
    return _mm512_and_si512(both, _mm512_set1_epi8(63));
  }

  template <PackedFormat kFormat, int j>
  static QUANTD_INLINE Bytes CodeBytes(const uint8_t* block, int h) {
    constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
    Bytes v = Plane<f.low_bits(), j>(block, h);
    if constexpr (f.high_bits() > 0) {
      const uint8_t* const plane = block + f.low_bits() * kGroupRows * kBlockWeights / 8;
      constexpr int kAt = j / f.high_bits() * f.high_bits();  // of the bits within their byte
      Bytes high = _mm512_loadu_si512(plane + 128 * (j % f.high_bits()) + 64 * h);
      if constexpr (kAt < f.low_bits()) high = _mm512_slli_epi16(high, f.low_bits() - kAt);
      if constexpr (kAt > f.low_bits()) high = _mm512_srli_epi16(high, kAt - f.low_bits());
      constexpr int kMask = ((1 << f.high_bits()) - 1) << f.low_bits();
      // v | (high & mask)
      return _mm512_ternarylogic_epi32(v, high, _mm512_set1_epi8(kMask), 0xf8);
    }
    if constexpr (f.codes == Codes::kIntTable) {
      constexpr const signed char* table =
          kFormat == PackedFormat::kMxFp4 ? kE2M1Table : kIq4NlTable;
      const __m128i values = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)),
                                           _mm_set1_epi8(-128));
      return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(values), v);
    }
    return v;
  }

  template <PackedFormat kFormat, int kShift>
  static QUANTD_INLINE Floats CodeFloats(const uint8_t* at) {
    Ints v = _mm512_loadu_si512(at);
    if constexpr (FormatOf(kFormat).codes == Codes::kFloatTable) {
      if constexpr (kShift > 0) v = _mm512_srli_epi32(v, kShift);
      const float* const table = kFormat == PackedFormat::kNf4 ? kNf4Table : kFp4Table;
      return _mm512_permutexvar_ps(v, _mm512_loadu_ps(table));  // reads the low 4 bits of an index
    } else {
      // See E4M3ToFloat. The shift copies the sign, of which the mask keeps one.
      const Ints top = kShift == 24 ? v : _mm512_slli_epi32(v, 24 - kShift);
      const Ints parts = _mm512_and_si512(_mm512_srai_epi32(top, 4),
                                          _mm512_set1_epi32(static_cast<int>(0x87f00000u)));
      return Mul(_mm512_castsi512_ps(parts), Set1(0x1p120f));
    }
  }

  template <PackedFormat kFormat>
  struct Dot {
    using Weights = Bytes;
    using Acc = Ints;
    static QUANTD_INLINE Weights Prepare(Bytes codes) { return codes; }
    // zero * start, zero being 0 or a power of two.
    template <int kZero>
    static QUANTD_INLINE Acc Start(int32_t start) {
      if constexpr (kZero == 0) return _mm512_setzero_si512();
      return _mm512_slli_epi32(_mm512_set1_epi32(start), __builtin_ctz(kZero | 1 << 30));
    }
    template <int kStep>
    static QUANTD_INLINE void Step(Acc& acc, Weights weights, const int8_t* a) {
      acc = _mm512_dpbusd_epi32(acc, weights, Broadcast4(a));
    }
    static QUANTD_INLINE Ints Finish(Acc acc) { return acc; }
  };
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_SIMD_ZMM_H_
