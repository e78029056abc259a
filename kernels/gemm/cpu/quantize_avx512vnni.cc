// QuantizeRow for AVX-512: the arithmetic of quantize_block.h, with horizontal sums and maxima done
// for a block at once, which compilers do not find.
#include <immintrin.h>

#include "kernels/gemm/cpu/kernels.h"
#include "kernels/gemm/cpu/quantize_block.h"

namespace quantd::isa_avx512vnni {
namespace {

inline int32_t MaxMagnitude512(const float* x) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  const __m512i low = _mm512_and_si512(_mm512_loadu_si512(x), magnitude);
  const __m512i high = _mm512_and_si512(_mm512_loadu_si512(x + 16), magnitude);
  return _mm512_reduce_max_epi32(_mm512_max_epi32(low, high));
}

// Codes of a sub-block: to nearest, ties to even, as the processor rounds.
inline __m256i Codes512(const float* x, float inverse) {
  const __m512 factor = _mm512_set1_ps(inverse);
  const __m512i low = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), factor));
  const __m512i high = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 16), factor));
  return _mm256_set_m128i(_mm512_cvtepi32_epi8(high), _mm512_cvtepi32_epi8(low));
}

// Sums of each 16 of the 256 codes.
inline __m512i HalfSums(const __m512i* codes) {
  __m128i quarters[4];
  for (int i = 0; i < 4; ++i) {
    __m512i sums = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), codes[i]);
    sums = _mm512_add_epi32(sums, _mm512_shuffle_epi32(sums, _MM_PERM_BADC));
    sums = _mm512_add_epi32(sums, _mm512_shuffle_epi32(sums, _MM_PERM_CDAB));
    quarters[i] = _mm512_castsi512_si128(_mm512_maskz_compress_epi32(0x1111, sums));
  }
  const __m256i low = _mm256_set_m128i(quarters[1], quarters[0]);
  const __m256i high = _mm256_set_m128i(quarters[3], quarters[2]);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

// Everything of a block that follows from its codes and shifts.
inline void FillSums(const __m512i* codes, __m256i shifts, QuantizedBlock* block) {
  const __m512i halves = HalfSums(codes);
  // Lane i of a half has the shift of sub-block i / 2.
  const __m512i twice =
      _mm512_permutexvar_epi32(_mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0),
                               _mm512_castsi256_si512(shifts));
  _mm512_storeu_si512(block->half_starts, _mm512_sub_epi32(_mm512_setzero_si512(), halves));
  _mm512_storeu_ps(block->half_sums, _mm512_cvtepi32_ps(_mm512_sllv_epi32(halves, twice)));
  // Even lanes hold the low half of a 64-bit pair, odd lanes the high one.
  const __m512i odd = _mm512_srli_epi64(halves, 32);
  const __m256i sums = _mm512_cvtepi64_epi32(_mm512_add_epi32(halves, odd));
  const __m256i starts = _mm256_sub_epi32(_mm256_setzero_si256(), sums);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(block->starts), starts);
  _mm256_storeu_ps(block->sums, _mm256_cvtepi32_ps(_mm256_sllv_epi32(sums, shifts)));
}

inline void QuantizeBlock512(const float* x, QuantizedBlock* block) {
  int32_t magnitudes[kSubs], largest = 0;
  for (int b = 0; b < kSubs; ++b) {
    magnitudes[b] = MaxMagnitude512(x + kSub * b);
    largest = largest > magnitudes[b] ? largest : magnitudes[b];
  }
  float max;
  memcpy(&max, &largest, sizeof(max));
  if (largest >= kInfinity || max < kTiny) return QuantizeBlock(x, block);
  const float inverse = 127.0f / max;
  // Codes and shifts stay in registers for the sums: read back, they would wait for the narrower
  // stores.
  __m256i subs[kSubs];
  int shifts[kSubs];
  for (int b = 0; b < kSubs; ++b) {
    const int down = Down(largest, magnitudes[b]);
    shifts[b] = kMaxShift - down;
    subs[b] = Codes512(x + kSub * b, inverse * static_cast<float>(1 << down));
  }
  __m512i codes[kSubs / 2];
  for (int i = 0; i < kSubs / 2; ++i) {
    codes[i] = _mm512_inserti64x4(_mm512_castsi256_si512(subs[2 * i]), subs[2 * i + 1], 1);
    _mm512_storeu_si512(block->codes + 2 * kSub * i, codes[i]);
  }
  block->scale = ScaleOf(max);
  memset(block->padding, 0, sizeof(block->padding));
  const __m256i all = _mm256_setr_epi32(shifts[0], shifts[1], shifts[2], shifts[3], shifts[4],
                                        shifts[5], shifts[6], shifts[7]);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(block->shifts), all);
  FillSums(codes, all, block);
}

}  // namespace

void QuantizeRow(const float* x, int64_t k, QuantizedBlock* blocks) {
  ForBlocks(x, k, blocks, QuantizeBlock512);
}

}  // namespace quantd::isa_avx512vnni
