// GEMM kernels of formats with two levels of scales for AVX-512 F, BW, DQ, VL and VNNI.
#include "kernels/gemm/cpu/simd_avx512vnni.h"

namespace quantd::isa_avx512vnni {

KernelRuns TwoLevelRuns(PackedFormat format) {
  return FindRuns<Simd, kFirstTwoLevel, kFirstAffine>(format);
}

}  // namespace quantd::isa_avx512vnni
