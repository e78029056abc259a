// GEMM kernels of formats with two levels of scales for AVX-VNNI.
#include "kernels/gemm/cpu/simd_avxvnni.h"

namespace quantd::isa_avxvnni {

KernelRuns TwoLevelRuns(PackedFormat format) {
  return FindRuns<Simd, kFirstTwoLevel, kFirstAffine>(format);
}

}  // namespace quantd::isa_avxvnni
