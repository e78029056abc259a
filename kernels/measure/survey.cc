#include "kernels/measure/survey.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace quantd {
namespace {

constexpr int64_t kSurveyM[] = {1, 4, 8, 16, 32, 512};
constexpr size_t kMostCopies = 64;  // a small weight is meant to be measured in caches

}  // namespace

absl::StatusOr<std::vector<SurveyRow>> SurveyFormat(const PackedEntry& entry, GemmKernels& kernels,
                                                    ThreadPool& pool, const SurveyShape& shape,
                                                    absl::FunctionRef<bool()> go_on) {
  std::vector<PackedWeight> copies;
  std::vector<const PackedWeight*> weights;
  int64_t bytes = 0;
  while (bytes < shape.limits.bytes && copies.size() < kMostCopies) {
    copies.push_back(NoiseWeight(entry.example, shape.n, shape.k));
    if (copies.back().data.data() == nullptr) {
      return absl::ResourceExhaustedError(
          absl::StrCat("no memory for ", shape.limits.bytes, " bytes of weights to measure"));
    }
    bytes += copies.back().bytes();
  }
  for (const PackedWeight& copy : copies) weights.push_back(&copy);
  KernelTimer timer(weights, kernels, pool, shape.limits);
  std::vector<SurveyRow> rows;
  for (const int64_t m : kSurveyM) {
    if (!go_on()) return absl::CancelledError("the measurement was interrupted");
    const Timing naive = timer.RunNaive(m);
    const GemmKernel* const chosen = kernels.SelectGemm(entry.example, WeightLayout::kRows32, m);
    for (const GemmKernel* kernel : kernels.Candidates(entry.packed, WeightLayout::kRows32, m)) {
      rows.push_back({kernel, m, kernel == chosen, timer.Run(*kernel, m), naive});
    }
  }
  // All of a kernel together, kernels in order of rank.
  std::stable_sort(rows.begin(), rows.end(),
                   [](const SurveyRow& a, const SurveyRow& b) { return a.kernel < b.kernel; });
  return rows;
}

}  // namespace quantd
