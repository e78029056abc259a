// GEMM kernels of formats of blocks of 32 for AVX2, FMA and F16C.
#include "kernels/gemm/cpu/simd_avx2.h"

namespace quantd::isa_avx2 {

KernelRuns BlockRuns(PackedFormat format) {
  return FindRuns<Simd, kFirstBlock, kFirstTwoLevel>(format);
}

}  // namespace quantd::isa_avx2
