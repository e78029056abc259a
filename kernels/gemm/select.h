#ifndef QUANTD_KERNELS_GEMM_SELECT_H_
#define QUANTD_KERNELS_GEMM_SELECT_H_

#include <compare>
#include <cstdint>
#include <map>
#include <string>
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

/// Kernels are measured at these m; each speaks for the m from there to the next, the last for all
/// above. The last is where wide kernels begin.
inline constexpr int64_t kMeasuredM[] = {1, 2, 4, 8, 16, 32, 48};
/// The measured m that speaks for m >= 1.
int64_t MeasuredMFor(int64_t m);

/// Where measurement may choose another kernel than rank.
struct MeasuredPoint {
  PackedFormat packed;
  WeightLayout layout = WeightLayout::kRows32;
  int64_t m = 1;  ///< of kMeasuredM

  auto operator<=>(const MeasuredPoint&) const = default;
};
/// The name of the fastest kernel at each point that was measured.
using MeasuredChoices = std::map<MeasuredPoint, std::string>;

/// What may be used for it.
struct GemmConstraints {
  uint32_t isas = IsaBit(Isa::kReference);  ///< mask of IsaBit(): hardware and override together
  absl::string_view forced_kernel;          ///< preferred wherever it fits; "" = none
  std::vector<bool> quarantined;            ///< by table index; empty = none
  MeasuredChoices measured;                 ///< preferred to rank, wherever it fits
};

/// Why a row cannot be used for any m; "" when it can.
std::string WhyNot(const GemmKernel& kernel, const GemmConstraints& constraints, bool quarantined);

/// What a choice rests on.
enum class ChosenBy : uint8_t { kRank, kMeasurement, kForce };
const char* ChosenByName(ChosenBy by);  ///< "ranked", "measured", "forced"

struct GemmChoice {
  const GemmKernel* kernel = nullptr;  ///< null: nothing is feasible
  ChosenBy by = ChosenBy::kRank;
};

/// How every product of a format is rounded, whatever its m, so that a row's result does not depend
/// on the batch: as the forced kernel of the format rounds, else as the first feasible row.
Arithmetic ArithmeticFor(absl::Span<const GemmKernel> table, PackedFormat packed,
                         const GemmConstraints& constraints);

/// The kernel for a problem: the forced one where it fits, else the one that was measured to be the
/// fastest where it is feasible, else the first feasible row in table order; none but those of
/// ArithmeticFor. A pure function of its arguments.
GemmChoice Select(absl::Span<const GemmKernel> table, const GemmProblem& problem,
                  const GemmConstraints& constraints);

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_SELECT_H_
