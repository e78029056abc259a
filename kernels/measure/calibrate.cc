#include "kernels/measure/calibrate.h"

#include <iterator>
#include <vector>

#include "kernels/base/check.h"

namespace quantd {
namespace {

// Timings of the same kernel differ by about this much from run to run.
constexpr double kNoise = 0.03;

// One sequence, a long prompt, then batches from the most likely on.
constexpr int64_t kOrder[] = {1, 48, 8, 16, 4, 32, 2};
constexpr int64_t kLong = 48, kLongTimed = 256;
static_assert(std::size(kOrder) == std::size(kMeasuredM));

}  // namespace

const GemmKernel* PickFastest(absl::Span<const GemmKernel* const> candidates,
                              absl::Span<const double> seconds) {
  QUANTD_CHECK(!candidates.empty() && candidates.size() == seconds.size(), "a time for each");
  size_t best = 0;
  for (size_t i = 1; i < candidates.size(); ++i) {
    const double needed = best == 0 ? seconds[0] * (1 - kNoise) : seconds[best];
    if (seconds[i] < needed) best = i;
  }
  return candidates[best];
}

MeasuredChoices Calibrate(GemmKernels& kernels, PackedFormat packed, WeightLayout layout,
                          TimeKernel time, absl::FunctionRef<bool()> time_left) {
  MeasuredChoices choices;
  for (const int64_t m : kOrder) {
    const std::vector<const GemmKernel*> candidates = kernels.Candidates(packed, layout, m);
    std::vector<double> seconds;
    for (const GemmKernel* kernel : candidates) {
      if (candidates.size() > 1 && !time_left()) return choices;
      seconds.push_back(candidates.size() > 1 ? time(*kernel, m == kLong ? kLongTimed : m) : 0);
    }
    if (candidates.empty()) continue;
    choices[{packed, layout, m}] = PickFastest(candidates, seconds)->name;
  }
  return choices;
}

}  // namespace quantd
