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

namespace {

bool Feasible(const GemmKernel& kernel, size_t index, const GemmConstraints& constraints) {
  const bool quarantined = index < constraints.quarantined.size() && constraints.quarantined[index];
  return (constraints.isas & IsaBit(kernel.isa)) != 0 && !quarantined;
}

}  // namespace

Arithmetic ArithmeticFor(absl::Span<const GemmKernel> table, PackedFormat packed,
                         const GemmConstraints& constraints) {
  const GemmKernel* first = nullptr;
  for (size_t i = 0; i < table.size(); ++i) {
    const GemmKernel& kernel = table[i];
    if (kernel.packed != packed || !Feasible(kernel, i, constraints)) continue;
    if (kernel.name == constraints.forced_kernel) return kernel.arithmetic;
    if (first == nullptr) first = &kernel;
  }
  return first == nullptr ? Arithmetic::kFull : first->arithmetic;
}

GemmChoice Select(absl::Span<const GemmKernel> table, const GemmProblem& problem,
                  const GemmConstraints& constraints) {
  const auto point =
      constraints.measured.find({problem.packed, problem.layout, MeasuredMFor(problem.m)});
  absl::string_view fastest;
  if (point != constraints.measured.end()) fastest = point->second;
  const Arithmetic arithmetic = ArithmeticFor(table, problem.packed, constraints);
  GemmChoice choice;
  for (size_t i = 0; i < table.size(); ++i) {
    const GemmKernel& kernel = table[i];
    if (kernel.packed != problem.packed || kernel.layout != problem.layout ||
        kernel.arithmetic != arithmetic || !kernel.TakesM(problem.m) ||
        !Feasible(kernel, i, constraints)) {
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
