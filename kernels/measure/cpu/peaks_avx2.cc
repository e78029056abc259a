#include <immintrin.h>

#include "kernels/measure/cpu/peaks.h"

namespace quantd::isa_avx2 {

void MultiplyBytes(int64_t rounds) {
  __m256i sums[kPeakSums] = {};
  __m256i a = _mm256_set1_epi8(3);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int64_t i = 0; i < rounds; ++i) {
    for (__m256i& sum : sums) {
      asm volatile("" : "+x"(a));  // else one product would serve all sums
      const __m256i pairs = _mm256_maddubs_epi16(a, a);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
      asm volatile("" : "+x"(sum));
    }
  }
}

void MultiplyFloats(int64_t rounds) {
  __m256 sums[kPeakSums] = {};
  const __m256 a = _mm256_set1_ps(0.5f);
  for (int64_t i = 0; i < rounds; ++i) {
    for (__m256& sum : sums) {
      sum = _mm256_fmadd_ps(a, a, sum);
      asm volatile("" : "+x"(sum));
    }
  }
}

}  // namespace quantd::isa_avx2
