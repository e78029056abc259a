// GEMM kernels for AVX-VNNI, the VEX-encoded vpdpbusd on 256-bit registers. Float formats gain
// nothing from it and keep their AVX2 kernels.
#include "kernels/gemm/cpu/simd_ymm.h"

namespace quantd {
namespace isa_avxvnni {
namespace {

struct Simd : YmmBase<Simd> {
  template <PackedFormat kFormat>
  struct Dot {
    using Weights = Bytes;
    using Acc = Ints;
    static QUANTD_INLINE Weights Prepare(const Bytes& codes) { return codes; }
    template <int kLow, int kHigh>
    static QUANTD_INLINE Acc Start(const int16_t* sums) {
      return SumTimes<kLow, kHigh>(sums);
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

const RunPair kRuns[kPackedFormats] = {
    {nullptr, nullptr},
    {nullptr, nullptr},
    {nullptr, nullptr},
    Runs<Simd, PackedFormat::kQ8_0>(),
    Runs<Simd, PackedFormat::kQ4_0>(),
    Runs<Simd, PackedFormat::kQ4_1>(),
    Runs<Simd, PackedFormat::kQ5_0>(),
    Runs<Simd, PackedFormat::kQ5_1>(),
    Runs<Simd, PackedFormat::kQ6_K>(),
};

}  // namespace isa_avxvnni
}  // namespace quantd
