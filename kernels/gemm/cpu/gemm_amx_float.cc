// GEMM kernels of 16-bit floats for AMX-BF16.
#include "kernels/gemm/cpu/simd_amx.h"

namespace quantd::isa_amx {

KernelRuns FloatRuns(PackedFormat format) {
  GemmRun run = nullptr;
  if (format == PackedFormat::kF16) run = RunBf16Tiles<Simd, PackedFormat::kF16>;
  if (format == PackedFormat::kBF16) run = RunBf16Tiles<Simd, PackedFormat::kBF16>;
  return {run, run, nullptr};
}

}  // namespace quantd::isa_amx
