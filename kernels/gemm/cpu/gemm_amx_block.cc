// GEMM kernels of formats of blocks of 32 for AMX-INT8.
#include "kernels/gemm/cpu/simd_amx.h"

namespace quantd::isa_amx {

KernelRuns BlockRuns(PackedFormat format) {
  return FindIntTiles<Simd, kFirstBlock, kFirstTwoLevel>(format);
}

}  // namespace quantd::isa_amx
