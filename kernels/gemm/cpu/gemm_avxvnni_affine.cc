// GEMM kernels of affine integers for AVX-VNNI.
#include "kernels/gemm/cpu/simd_avxvnni.h"

namespace quantd::isa_avxvnni {

KernelRuns AffineRuns(PackedFormat format) {
  return FindRuns<Simd, kFirstAffine, kEndFormats>(format);
}

}  // namespace quantd::isa_avxvnni
