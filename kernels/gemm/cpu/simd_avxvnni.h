#ifndef QUANTD_KERNELS_GEMM_CPU_SIMD_AVXVNNI_H_
#define QUANTD_KERNELS_GEMM_CPU_SIMD_AVXVNNI_H_

#include "kernels/gemm/cpu/simd_ymm.h"

// AVX-VNNI is the VEX-encoded vpdpbusd on 256-bit registers. Float formats gain nothing from it and
// keep their AVX2 kernels.

namespace quantd::isa_avxvnni {
namespace {  // NOLINT(google-build-namespaces): each file has its own, compiled with its flags

struct Simd : YmmBase<Simd> {
  template <PackedFormat kFormat>
  struct Dot {
    using Weights = Bytes;
    using Acc = Ints;
    static QUANTD_INLINE Weights Prepare(const Bytes& codes) { return codes; }
    template <int kZero>
    static QUANTD_INLINE Acc Start(int32_t start) {
      return TimesZero<kZero>(start);
    }
    template <int kStep>
    static QUANTD_INLINE void Step(Acc& acc, const Weights& weights, const int8_t* a) {
      const __m256i a4 = Broadcast4(a);
      acc.v[0] = _mm256_dpbusd_avx_epi32(acc.v[0], weights.v[0], a4);
      acc.v[1] = _mm256_dpbusd_avx_epi32(acc.v[1], weights.v[1], a4);
    }
    static QUANTD_INLINE Ints Finish(const Acc& acc) { return acc; }
  };
};

}  // namespace
}  // namespace quantd::isa_avxvnni

#endif  // QUANTD_KERNELS_GEMM_CPU_SIMD_AVXVNNI_H_
