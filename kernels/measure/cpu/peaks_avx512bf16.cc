#include <immintrin.h>

#include "kernels/measure/cpu/peaks.h"

namespace quantd::isa_avx512bf16 {

void MultiplyPairs(int64_t rounds) {
  __m512 sums[kPeakSums] = {};
  const auto a = reinterpret_cast<__m512bh>(_mm512_setzero_si512());
  for (int64_t i = 0; i < rounds; ++i) {
    for (__m512& sum : sums) {
      sum = _mm512_dpbf16_ps(sum, a, a);
      asm volatile("" : "+v"(sum));
    }
  }
}

}  // namespace quantd::isa_avx512bf16
