#include <string.h>

#include "kernels/attention/cpu/attention_simd.h"
#include "kernels/ops/cpu/simd_avx2.h"

namespace quantd::isa_avx2 {

/// The vector type of the operations with loads and stores of the other elements of KV memory.
struct KvSimd : Simd {
  using Simd::Load;
  using Simd::LoadPartial;
  using Simd::Store;
  using Simd::StorePartial;
  static F Load(const KvBfloat16* p) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  static F Load(const int8_t* p) {
    const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes));
  }
  template <class T>
  static F LoadPartial(const T* p, int64_t n) {
    T copy[kWidth] = {};
    memcpy(copy, p, static_cast<size_t>(n) * sizeof(T));
    return Load(copy);
  }
  static void Store(KvBfloat16* p, F v) {
    const __m256i bits = RoundToBfloat16(v);
    const __m128i low = _mm256_castsi256_si128(bits), high = _mm256_extracti128_si256(bits, 1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_packus_epi32(low, high));
  }
  template <class T>
  static void StorePartial(T* p, int64_t n, F v) {
    T copy[kWidth];
    Store(copy, v);
    memcpy(p, copy, static_cast<size_t>(n) * sizeof(T));
  }
  /// Rounds to nearest even; |v| is at most 127.
  static void Store(int8_t* codes, F v) {
    const __m256i whole = _mm256_cvtps_epi32(v);
    const __m128i low = _mm256_castsi256_si128(whole), high = _mm256_extracti128_si256(whole, 1);
    const __m128i words = _mm_packs_epi32(low, high);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(codes), _mm_packs_epi16(words, words));
  }

 private:
  // The upper halves of v's bits, rounded to nearest even, NaN kept quiet, in 32 bits each.
  static __m256i RoundToBfloat16(F v) {
    const __m256i bits = _mm256_castps_si256(v), high = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    const __m256i round = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, round), 16);
    const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(rounded, quiet, nan);
  }
};

const AttentionFunctions kAttention[kKvTypes] = {
    simd::kFunctions<KvSimd, float>,
    simd::kFunctions<KvSimd, uint16_t>,
    simd::kFunctions<KvSimd, KvBfloat16>,
    simd::kFunctions<KvSimd, int8_t>,
};

}  // namespace quantd::isa_avx2
