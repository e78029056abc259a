// GEMM kernels for AVX-512 F, BW, DQ, VL and VNNI: one vector holds a value of every row.
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/gemm/cpu/rows16_kernels.h"

namespace quantd {
namespace isa_avx512vnni {
namespace {

struct Simd {
  using Floats = __m512;
  using Ints = __m512i;
  using Bytes = __m512i;
  static constexpr int kIntColumns = 8;  // 8 sums, 8 results, weights: 20 of 32 registers
  static constexpr int kFloatColumns = 8;

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
  static QUANTD_INLINE Floats Fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static QUANTD_INLINE Floats Mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static QUANTD_INLINE Floats ToFloats(Ints v) { return _mm512_cvtepi32_ps(v); }
  static QUANTD_INLINE void Store(float* at, Floats v) { _mm512_storeu_ps(at, v); }
  static QUANTD_INLINE void StoreFirst(float* at, Floats v, int count) {
    _mm512_mask_storeu_ps(at, static_cast<__mmask16>((1u << count) - 1), v);
  }

  static QUANTD_INLINE Ints Broadcast4(const void* at) {
    int32_t bytes;
    memcpy(&bytes, at, sizeof(bytes));
    return _mm512_set1_epi32(bytes);
  }
  template <int kLow, int kHigh>
  static QUANTD_INLINE Ints SumTimes(const int16_t* sums) {
    const Ints factors = _mm512_set1_epi32((kLow & 0xffff) | static_cast<int>(kHigh * 65536u));
    return _mm512_madd_epi16(Broadcast4(sums), factors);
  }

  template <PackedFormat kFormat, int j>
  static QUANTD_INLINE Bytes Codes(const uint8_t* block) {
    constexpr Rows16Format f = kRows16[static_cast<int>(kFormat)];
    if constexpr (f.bits > 5) return _mm512_loadu_si512(block + 64 * j);
    Bytes v = _mm512_loadu_si512(block + 64 * (j % 4));
    if constexpr (j >= 4) v = _mm512_srli_epi16(v, 4);
    v = _mm512_and_si512(v, _mm512_set1_epi8(15));
    if constexpr (f.bits == 5) {
      Bytes high = _mm512_loadu_si512(block + f.high_offset);
      if constexpr (j < 4) high = _mm512_slli_epi16(high, 4 - j);
      if constexpr (j > 4) high = _mm512_srli_epi16(high, j - 4);
      v = _mm512_or_si512(v, _mm512_and_si512(high, _mm512_set1_epi8(16)));
    }
    return v;
  }

  template <PackedFormat kFormat>
  struct Dot {
    using Weights = Bytes;
    using Acc = Ints;
    static QUANTD_INLINE Weights Prepare(Bytes codes) { return codes; }
    template <int kLow, int kHigh>
    static QUANTD_INLINE Acc Start(const int16_t* sums) {
      if constexpr (kLow == 0 && kHigh == 0) return _mm512_setzero_si512();
      return SumTimes<kLow, kHigh>(sums);
    }
    template <int kStep>
    static QUANTD_INLINE void Step(Acc& acc, Weights weights, const int8_t* a) {
      acc = _mm512_dpbusd_epi32(acc, weights, Broadcast4(a));
    }
    static QUANTD_INLINE Ints Finish(Acc acc) { return acc; }
  };
};

}  // namespace

const RunPair kRuns[kPackedFormats] = {
    Runs<Simd, PackedFormat::kF32>(),  Runs<Simd, PackedFormat::kF16>(),
    Runs<Simd, PackedFormat::kBF16>(), Runs<Simd, PackedFormat::kQ8_0>(),
    Runs<Simd, PackedFormat::kQ4_0>(), Runs<Simd, PackedFormat::kQ4_1>(),
    Runs<Simd, PackedFormat::kQ5_0>(), Runs<Simd, PackedFormat::kQ5_1>(),
    Runs<Simd, PackedFormat::kQ6_K>(),
};

}  // namespace isa_avx512vnni
}  // namespace quantd
