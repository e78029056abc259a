#include <immintrin.h>

#include "kernels/measure/cpu/peaks.h"

namespace quantd::isa_avx512vnni {

void MultiplyBytes(int64_t rounds) {
  __m512i sums[kPeakSums] = {};
  const __m512i a = _mm512_set1_epi8(3);
  for (int64_t i = 0; i < rounds; ++i) {
    for (__m512i& sum : sums) {
      sum = _mm512_dpbusd_epi32(sum, a, a);
      asm volatile("" : "+v"(sum));
    }
  }
}

void MultiplyFloats(int64_t rounds) {
  __m512 sums[kPeakSums] = {};
  const __m512 a = _mm512_set1_ps(0.5f);
  for (int64_t i = 0; i < rounds; ++i) {
    for (__m512& sum : sums) {
      sum = _mm512_fmadd_ps(a, a, sum);
      asm volatile("" : "+v"(sum));
    }
  }
}

}  // namespace quantd::isa_avx512vnni
