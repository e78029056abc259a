// GEMM kernels of affine integers for AVX2, FMA and F16C.
#include "kernels/gemm/cpu/simd_avx2.h"

namespace quantd::isa_avx2 {

KernelRuns AffineRuns(PackedFormat format) {
  return FindRuns<Simd, kFirstAffine, kEndFormats>(format);
}

}  // namespace quantd::isa_avx2
