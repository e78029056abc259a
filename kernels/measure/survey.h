#ifndef QUANTD_KERNELS_MEASURE_SURVEY_H_
#define QUANTD_KERNELS_MEASURE_SURVEY_H_

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "kernels/gemm/rows32.h"
#include "kernels/measure/kernel_timer.h"

namespace quantd {

/// A row of the table at one m, and the naive path on the same weights.
struct SurveyRow {
  const GemmKernel* kernel;
  int64_t m;
  bool chosen;  ///< what runs at this m
  Timing timing, naive;
};

/// What a survey multiplies.
struct SurveyShape {
  int64_t n = 2048, k = 4096;  ///< k: a multiple of 256
  /// Weights are copies that together exceed any cache, so that they come from memory.
  TimerLimits limits{int64_t{160} << 20, int64_t{1} << 30, /*repetitions=*/3, /*whole=*/true};
};

/// Times every row of a format that runs here and agrees with the reference (which itself takes
/// seconds, and is timed only where nothing else runs) at 1, 4, 8, 16, 32 and 512 input rows.
/// `go_on` is asked before each m; when it says no the survey is CANCELLED. RESOURCE_EXHAUSTED when
/// there is no memory for the weights.
absl::StatusOr<std::vector<SurveyRow>> SurveyFormat(const PackedEntry& entry, GemmKernels& kernels,
                                                    ThreadPool& pool, const SurveyShape& shape,
                                                    absl::FunctionRef<bool()> go_on);

}  // namespace quantd

#endif  // QUANTD_KERNELS_MEASURE_SURVEY_H_
