#include "runtime/convert/calibration.h"

#include <algorithm>
#include <cmath>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"

namespace quantd {
namespace {

/// Sums of squares of one matrix's inputs.
struct Squares {
  std::vector<double> sums;
  int64_t rows = 0;

  void Add(const float* inputs, int64_t count, int64_t cols) {
    sums.resize(cols);
    for (int64_t r = 0; r < count; ++r, inputs += cols) {
      for (int64_t c = 0; c < cols; ++c) sums[c] += double{inputs[c]} * inputs[c];
    }
    rows += count;
  }
};

}  // namespace

absl::StatusOr<ColumnImportance> MeasureImportance(Model& model, KvType kv_type,
                                                   absl::Span<const int32_t> tokens,
                                                   const ChunkOptions& options) {
  const std::vector<WeightReport> matrices = model.Report();
  std::vector<Squares> squares(matrices.size());
  model.ObserveInputs([&](const Model::ObservedInput& input) {
    squares[input.matrix].Add(input.rows, input.count, input.cols);
  });
  const auto end_observation = absl::MakeCleanup([&] { model.ObserveInputs({}); });
  const int32_t chunk = std::clamp(options.chunk, 1, model.config().context);
  ChunkReader reader(model, chunk, kv_type);
  QUANTD_RETURN_IF_ERROR(ReadChunks(model.config(), tokens, options, {&reader}, [] {}).status());
  ColumnImportance importance;
  for (size_t i = 0; i < matrices.size(); ++i) {
    if (squares[i].rows == 0) continue;
    std::vector<float>& means = importance[matrices[i].name];
    for (const double sum : squares[i].sums) {
      means.push_back(static_cast<float>(sum / static_cast<double>(squares[i].rows)));
      if (!std::isfinite(means.back())) {
        return absl::InternalError(
            absl::StrCat("tensor ", matrices[i].name, ": its input is not finite on this text"));
      }
    }
  }
  return importance;
}

}  // namespace quantd
