// GEMM kernels of affine integers for AMX-INT8.
#include "kernels/gemm/cpu/simd_amx.h"

namespace quantd::isa_amx {

KernelRuns AffineRuns(PackedFormat format) {
  return FindIntTiles<Simd, kFirstAffine, kEndFormats>(format);
}

}  // namespace quantd::isa_amx
