// GEMM kernels of formats of blocks of 32 for AVX-VNNI.
#include "kernels/gemm/cpu/simd_avxvnni.h"

namespace quantd::isa_avxvnni {

KernelRuns BlockRuns(PackedFormat format) {
  return FindRuns<Simd, kFirstBlock, kFirstTwoLevel>(format);
}

}  // namespace quantd::isa_avxvnni
