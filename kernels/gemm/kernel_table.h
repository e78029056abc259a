#ifndef QUANTD_KERNELS_GEMM_KERNEL_TABLE_H_
#define QUANTD_KERNELS_GEMM_KERNEL_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/base/isa.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_args.h"
#include "kernels/gemm/reference.h"
#include "kernels/gemm/rows32_format.h"

namespace quantd {

/// One row of THE table of GEMM kernels. Selection, self-check, tests, benchmarks, the kernel
/// report and the metrics all read this table and nothing else.
struct GemmKernel {
  std::string name;  ///< unique, "gemm_<format>_<isa>_<decode|batch|wide>"
  Isa isa = Isa::kReference;
  PackedFormat packed = PackedFormat::kF32;  ///< weights it multiplies, as they lie packed
  std::string format;                        ///< the name of `packed`
  WeightLayout layout = WeightLayout::kRows32;
  ActivationType activations = ActivationType::kF32;
  Arithmetic arithmetic = Arithmetic::kFull;
  int64_t min_m = 1;
  int64_t max_m = 0;    ///< 0 = unbounded
  bool native = false;  ///< the processor multiplies this type itself
  std::string how;      ///< the multiplication in a few words, for the report
  GemmRun run = nullptr;

  bool TakesM(int64_t m) const { return m >= min_m && (max_m == 0 || m <= max_m); }
};

/// Every GEMM kernel of this build, best first within a format. The row of a format that the
/// reference ISA has is always there and takes any m; kernels behind it run only where they are
/// forced or measured to be faster.
const std::vector<GemmKernel>& GemmTable();

/// Quantizes activations for the kernels that multiply integers.
struct Quantizer {
  Isa isa = Isa::kReference;
  QuantizeRun run = nullptr;
};
/// Every quantizer of this build, best first; the last is the scalar reference.
const std::vector<Quantizer>& Quantizers();

/// From this m on every m has the same choice (all min_m and max_m lie below).
inline constexpr int64_t kDistinctM = 64;

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_KERNEL_TABLE_H_
