#include "kernels/gemm/select.h"

#include "kernels/base/kernel_report.h"

namespace quantd {

std::string WhyNot(const GemmKernel& kernel, const GemmConstraints& constraints, bool quarantined) {
  if ((constraints.isas & IsaBit(kernel.isa)) == 0) return MissingIsaReason(kernel.isa);
  if (quarantined) return kDisagreedReason;
  return "";
}

const GemmKernel* Select(absl::Span<const GemmKernel> table, const GemmProblem& problem,
                         const GemmConstraints& constraints) {
  const GemmKernel* first = nullptr;
  for (size_t i = 0; i < table.size(); ++i) {
    const GemmKernel& kernel = table[i];
    const bool quarantined = i < constraints.quarantined.size() && constraints.quarantined[i];
    const bool feasible = (constraints.isas & IsaBit(kernel.isa)) != 0 && !quarantined;
    if (!feasible || kernel.packed != problem.packed || kernel.layout != problem.layout ||
        !kernel.TakesM(problem.m)) {
      continue;
    }
    if (kernel.name == constraints.forced_kernel) return &kernel;
    if (first == nullptr) first = &kernel;
  }
  return first;
}

}  // namespace quantd
