#ifndef QUANTD_KERNELS_MEASURE_CALIBRATE_H_
#define QUANTD_KERNELS_MEASURE_CALIBRATE_H_

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/kernel_table.h"

namespace quantd {

/// Seconds of the same work by one kernel at m input rows. Only compared with each other.
using TimeKernel = absl::FunctionRef<double(const GemmKernel& kernel, int64_t m)>;

/// The fastest of some candidates, the first of which (the best by rank) is given up only for one
/// that is faster by more than timings waver. `candidates` not empty; `seconds` one for each.
const GemmKernel* PickFastest(absl::Span<const GemmKernel* const> candidates,
                              absl::Span<const double> seconds);

/// Times the candidates of a format at every m of kMeasuredM (for the last, which speaks for long
/// prompts, at 256), the most important m first, until `time_left` says no; points not reached are
/// not in the result. Where there is nothing to choose between, the only candidate counts as
/// measured.
MeasuredChoices Calibrate(GemmKernels& kernels, PackedFormat packed, WeightLayout layout,
                          TimeKernel time, absl::FunctionRef<bool()> time_left);

}  // namespace quantd

#endif  // QUANTD_KERNELS_MEASURE_CALIBRATE_H_
