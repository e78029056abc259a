#include "kernels/gemm/select.h"

#include "kernels/base/kernel_report.h"

namespace quantd {

int64_t MeasuredMFor(int64_t m) {
  int64_t found = kMeasuredM[0];
  for (const int64_t measured : kMeasuredM) {
    if (measured <= m) found = measured;
  }
  return found;
}

const char* ChosenByName(ChosenBy by) {
  switch (by) {
    case ChosenBy::kRank:
      return "ranked";
    case ChosenBy::kMeasurement:
      return "measured";
    case ChosenBy::kForce:
      return "forced";
  }
  return "";
}

std::string WhyNot(const GemmKernel& kernel, const GemmConstraints& constraints, bool quarantined) {
  if ((constraints.isas & IsaBit(kernel.isa)) == 0) return MissingIsaReason(kernel.isa);
  if (quarantined) return kDisagreedReason;
  return "";
}

GemmChoice Select(absl::Span<const GemmKernel> table, const GemmProblem& problem,
                  const GemmConstraints& constraints) {
  const auto point =
      constraints.measured.find({problem.packed, problem.layout, MeasuredMFor(problem.m)});
  absl::string_view fastest;
  if (point != constraints.measured.end()) fastest = point->second;
  GemmChoice choice;
  for (size_t i = 0; i < table.size(); ++i) {
    const GemmKernel& kernel = table[i];
    const bool quarantined = i < constraints.quarantined.size() && constraints.quarantined[i];
    const bool feasible = (constraints.isas & IsaBit(kernel.isa)) != 0 && !quarantined;
    if (!feasible || kernel.packed != problem.packed || kernel.layout != problem.layout ||
        !kernel.TakesM(problem.m)) {
      continue;
    }
    if (kernel.name == constraints.forced_kernel) return {&kernel, ChosenBy::kForce};
    if (kernel.name == fastest) {
      choice = {&kernel, ChosenBy::kMeasurement};
    } else if (choice.kernel == nullptr) {
      choice.kernel = &kernel;
    }
  }
  return choice;
}

}  // namespace quantd
