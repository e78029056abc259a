// GEMM kernels of 16-bit floats for AVX-512 F, BW, DQ, VL and BF16.
#include "kernels/gemm/cpu/simd_avx512bf16.h"

namespace quantd::isa_avx512bf16 {
namespace {

struct Simd : Bf16Base<Simd> {};

}  // namespace

KernelRuns FloatRuns(PackedFormat format) {
  return FindRuns<Simd, PackedFormat::kF16, PackedFormat::kNf4>(format);
}

}  // namespace quantd::isa_avx512bf16
