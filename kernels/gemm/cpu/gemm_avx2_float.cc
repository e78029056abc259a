// GEMM kernels of floats for AVX2, FMA and F16C.
#include "kernels/gemm/cpu/simd_avx2.h"

namespace quantd::isa_avx2 {

KernelRuns FloatRuns(PackedFormat format) {
  return FindRuns<Simd, kFirstFloat, kFirstBlock>(format);
}

}  // namespace quantd::isa_avx2
