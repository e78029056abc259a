// GEMM kernels of formats of blocks of 32 for AVX-512 F, BW, DQ, VL and VNNI.
#include "kernels/gemm/cpu/simd_avx512vnni.h"

namespace quantd::isa_avx512vnni {

KernelRuns BlockRuns(PackedFormat format) {
  return FindRuns<Simd, kFirstBlock, kFirstTwoLevel>(format);
}

}  // namespace quantd::isa_avx512vnni
