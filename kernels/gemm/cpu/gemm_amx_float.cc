// GEMM kernels of 16-bit floats for AMX-BF16.
#include "kernels/gemm/cpu/simd_amx.h"

namespace quantd::isa_amx {

KernelRuns FloatRuns(PackedFormat format) {
  constexpr auto kF16 = PackedFormat::kF16, kBF16 = PackedFormat::kBF16;
  if (format == kF16) return {RunBf16Decode<Simd, kF16>, RunBf16Tiles<Simd, kF16>, nullptr};
  if (format == kBF16) return {RunBf16Decode<Simd, kBF16>, RunBf16Tiles<Simd, kBF16>, nullptr};
  return {nullptr, nullptr, nullptr};
}

}  // namespace quantd::isa_amx
