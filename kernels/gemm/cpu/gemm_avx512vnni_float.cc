// GEMM kernels of floats for AVX-512 F, BW, DQ, VL and VNNI.
#include "kernels/gemm/cpu/simd_avx512vnni.h"

namespace quantd::isa_avx512vnni {

KernelRuns FloatRuns(PackedFormat format) {
  return FindRuns<Simd, kFirstFloat, kFirstBlock>(format);
}

}  // namespace quantd::isa_avx512vnni
