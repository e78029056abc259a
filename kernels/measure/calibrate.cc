#include "kernels/measure/calibrate.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "kernels/base/check.h"

namespace quantd {
namespace {

// Timings of the same kernel differ by about this much from run to run.
constexpr double kNoise = 0.03;
constexpr size_t kRounds = 4;

// One sequence, a long prompt, then batches from the most likely on.
constexpr int64_t kOrder[] = {1, 48, 8, 16, 4, 32, 2};
constexpr int64_t kLong = 48, kLongTimed = 256;
static_assert(std::size(kOrder) == std::size(kMeasuredM));

}  // namespace

const GemmKernel* PickFastest(absl::Span<const GemmKernel* const> candidates,
                              absl::Span<const std::vector<double>> rounds) {
  QUANTD_CHECK(!candidates.empty() && !rounds.empty(), "something to compare");
  const auto beats_first = [&](size_t i) {
    return std::all_of(rounds.begin(), rounds.end(), [&](const std::vector<double>& seconds) {
      return seconds[i] < seconds[0] * (1 - kNoise);
    });
  };
  const auto least = [&](size_t i) {
    double best = rounds.front()[i];
    for (const std::vector<double>& seconds : rounds) best = std::min(best, seconds[i]);
    return best;
  };
  size_t best = 0;
  for (size_t i = 1; i < candidates.size(); ++i) {
    if (beats_first(i) && least(i) < least(best)) best = i;
  }
  return candidates[best];
}

MeasuredChoices Calibrate(GemmKernels& kernels, PackedFormat packed, WeightLayout layout,
                          TimeKernel time, absl::FunctionRef<bool()> time_left) {
  MeasuredChoices choices;
  for (const int64_t m : kOrder) {
    const std::vector<const GemmKernel*> candidates = kernels.Candidates(packed, layout, m);
    if (candidates.empty()) continue;
    std::vector<std::vector<double>> rounds(candidates.size() > 1 ? kRounds : 1);
    for (std::vector<double>& seconds : rounds) {
      for (const GemmKernel* kernel : candidates) {
        if (candidates.size() > 1 && !time_left()) return choices;
        seconds.push_back(candidates.size() > 1 ? time(*kernel, m == kLong ? kLongTimed : m) : 0);
      }
    }
    choices[{packed, layout, m}] = PickFastest(candidates, rounds)->name;
  }
  return choices;
}

}  // namespace quantd
