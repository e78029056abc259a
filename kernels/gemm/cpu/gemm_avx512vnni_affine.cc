// GEMM kernels of affine integers for AVX-512 F, BW, DQ, VL and VNNI.
#include "kernels/gemm/cpu/simd_avx512vnni.h"

namespace quantd::isa_avx512vnni {

KernelRuns AffineRuns(PackedFormat format) {
  return FindRuns<Simd, kFirstAffine, kEndFormats>(format);
}

}  // namespace quantd::isa_avx512vnni
