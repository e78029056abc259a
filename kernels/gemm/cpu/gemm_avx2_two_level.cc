// GEMM kernels of formats with two levels of scales for AVX2, FMA and F16C.
#include "kernels/gemm/cpu/simd_avx2.h"

namespace quantd::isa_avx2 {

KernelRuns TwoLevelRuns(PackedFormat format) {
  return FindRuns<Simd, kFirstTwoLevel, kFirstAffine>(format);
}

}  // namespace quantd::isa_avx2
