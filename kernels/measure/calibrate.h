#ifndef QUANTD_KERNELS_MEASURE_CALIBRATE_H_
#define QUANTD_KERNELS_MEASURE_CALIBRATE_H_

#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/kernel_table.h"

namespace quantd {

/// Seconds of the same work by one kernel at m input rows, once. Only compared with each other.
using TimeKernel = absl::FunctionRef<double(const GemmKernel& kernel, int64_t m)>;

/// The fastest of some candidates, the first of which (the best by rank) is given up only for one
/// that was faster by more than timings waver in every round: what else runs on a machine slows
/// rounds, not kernels. `candidates` not empty; `rounds`: seconds of each candidate, round by
/// round.
const GemmKernel* PickFastest(absl::Span<const GemmKernel* const> candidates,
                              absl::Span<const std::vector<double>> rounds);

/// Times the candidates of a format in turn, several rounds, at every m of kMeasuredM (for the
/// last, which speaks for long prompts, at 256), the most important m first, until `time_left` says
/// no; points not reached are not in the result. Where there is nothing to choose between, the only
/// candidate counts as measured.
MeasuredChoices Calibrate(GemmKernels& kernels, PackedFormat packed, WeightLayout layout,
                          TimeKernel time, absl::FunctionRef<bool()> time_left);

}  // namespace quantd

#endif  // QUANTD_KERNELS_MEASURE_CALIBRATE_H_
