// GEMM kernels of formats with two levels of scales for AMX-INT8.
#include "kernels/gemm/cpu/simd_amx.h"

namespace quantd::isa_amx {

KernelRuns TwoLevelRuns(PackedFormat format) {
  return FindIntTiles<Simd, kFirstTwoLevel, kFirstAffine>(format);
}

}  // namespace quantd::isa_amx
