#include "kernels/attention/cpu/attention_simd.h"
#include "kernels/ops/cpu/simd_avx512.h"

namespace quantd::isa_avx512vnni {

/// The vector type of the operations with loads and stores of the other elements of KV memory.
struct KvSimd : Simd {
  using Simd::Load;
  using Simd::LoadPartial;
  using Simd::Store;
  using Simd::StorePartial;
  static F Load(const KvBfloat16* p) {
    return Widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static F Load(const int8_t* p) {
    return FromCodes(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static F LoadPartial(const KvBfloat16* p, int64_t n) {
    return Widen(_mm256_maskz_loadu_epi16(First(n), p));
  }
  static F LoadPartial(const int8_t* p, int64_t n) {
    return FromCodes(_mm_maskz_loadu_epi8(First(n), p));
  }
  static void Store(KvBfloat16* p, F v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), RoundToBfloat16(v));
  }
  static void StorePartial(KvBfloat16* p, int64_t n, F v) {
    _mm256_mask_storeu_epi16(p, First(n), RoundToBfloat16(v));
  }
  /// Rounds to nearest even; |v| is at most 127.
  static void Store(int8_t* codes, F v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes),
                     _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v)));
  }
  static void StorePartial(int8_t* codes, int64_t n, F v) {
    _mm512_mask_cvtsepi32_storeu_epi8(codes, First(n), _mm512_cvtps_epi32(v));
  }

 private:
  static __mmask16 First(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static F Widen(__m256i bits) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  static F FromCodes(__m128i codes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes)); }
  // The upper halves of v's bits, rounded to nearest even; NaN kept quiet.
  static __m256i RoundToBfloat16(F v) {
    const __m512i bits = _mm512_castps_si512(v), high = _mm512_srli_epi32(bits, 16);
    const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    const __m512i round = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, round), 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(rounded, nan, high, _mm512_set1_epi32(0x40)));
  }
};

const AttentionFunctions kAttention[kKvTypes] = {
    simd::kFunctions<KvSimd, float>,
    simd::kFunctions<KvSimd, uint16_t>,
    simd::kFunctions<KvSimd, KvBfloat16>,
    simd::kFunctions<KvSimd, int8_t>,
};

}  // namespace quantd::isa_avx512vnni
