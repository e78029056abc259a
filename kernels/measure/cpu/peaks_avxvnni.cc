#include <immintrin.h>

#include "kernels/measure/cpu/peaks.h"

namespace quantd::isa_avxvnni {

void MultiplyBytes(int64_t rounds) {
  __m256i sums[kPeakSums] = {};
  const __m256i a = _mm256_set1_epi8(3);
  for (int64_t i = 0; i < rounds; ++i) {
    for (__m256i& sum : sums) {
      sum = _mm256_dpbusd_avx_epi32(sum, a, a);
      asm volatile("" : "+x"(sum));
    }
  }
}

}  // namespace quantd::isa_avxvnni
