#ifndef QUANTD_KERNELS_GEMM_SELECT_H_
#define QUANTD_KERNELS_GEMM_SELECT_H_

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kernels/gemm/kernel_table.h"

namespace quantd {

/// What is to be multiplied.
struct GemmProblem {
  PackedFormat packed;
  WeightLayout layout = WeightLayout::kRows32;
  int64_t m = 1;
};

/// What may be used for it.
struct GemmConstraints {
  uint32_t isas = IsaBit(Isa::kReference);  ///< mask of IsaBit(): hardware and override together
  absl::string_view forced_kernel;          ///< preferred wherever it fits; "" = none
  std::vector<bool> quarantined;            ///< by table index; empty = none
};

/// Why a row cannot be used for any m; "" when it can.
std::string WhyNot(const GemmKernel& kernel, const GemmConstraints& constraints, bool quarantined);

/// The kernel for a problem: the forced one where it fits, else the first feasible row in table
/// order; null when there is none. A pure function of its arguments.
const GemmKernel* Select(absl::Span<const GemmKernel> table, const GemmProblem& problem,
                         const GemmConstraints& constraints);

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_SELECT_H_
