#include "runtime/convert/input_statistics.h"

#include <algorithm>
#include <cmath>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/quantize/add_products.h"

namespace quantd {
namespace {

/// Sums over the inputs of one matrix.
class InputSums {
 public:
  void Add(const float* inputs, int64_t count, int64_t cols, ThreadPool& pool) {
    cols_ = cols;
    products_.resize(static_cast<size_t>(cols * cols));
    magnitudes_.resize(static_cast<size_t>(cols));
    features_.resize(static_cast<size_t>(cols * count));
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t c = 0; c < cols; ++c) {
        features_[c * count + r] = inputs[r * cols + c];
        magnitudes_[c] += std::fabs(inputs[r * cols + c]);
      }
    }
    rows_ += count;
    // The upper triangle, whose rows grow shorter: threads take every so many of them.
    pool.Run([&](int thread) {
      for (int64_t i = thread; i < cols; i += pool.size()) {
        AddProducts(features_.data() + i * count, count, inputs + i, cols, cols - i,
                    products_.data() + i * cols + i);
      }
    });
  }

  int64_t rows() const { return rows_; }

  InputStatistics Take() {
    InputStatistics statistics;
    statistics.rows = rows_;
    statistics.cols = cols_;
    const auto rows = static_cast<double>(rows_);
    for (const double sum : magnitudes_) {
      statistics.magnitudes.push_back(static_cast<float>(sum / rows));
    }
    for (int64_t i = 0; i < cols_; ++i) {
      for (int64_t j = i; j < cols_; ++j) {
        float& product = products_[i * cols_ + j];
        product /= static_cast<float>(rows);
        products_[j * cols_ + i] = product;
      }
    }
    statistics.products = std::move(products_);
    return statistics;
  }

 private:
  int64_t rows_ = 0, cols_ = 0;
  std::vector<float> products_;  // [cols, cols], the upper triangle
  std::vector<double> magnitudes_;
  std::vector<float> features_;  // the inputs transposed
};

bool IsFinite(const InputStatistics& statistics) {
  return std::all_of(statistics.products.begin(), statistics.products.end(),
                     [](float product) { return std::isfinite(product); });
}

}  // namespace

absl::StatusOr<InputsByMatrix> MeasureInputs(Model& model, KvType kv_type,
                                             absl::Span<const int32_t> tokens,
                                             const ChunkOptions& options, ThreadPool& pool,
                                             absl::Span<const InputName> matrices) {
  const std::vector<WeightReport> report = model.Report();
  std::map<InputName, InputSums> sums;
  for (const InputName& name : matrices) sums.try_emplace(name);
  model.ObserveInputs([&](const Model::ObservedInput& input) {
    const auto found = sums.find({report[input.matrix].name, input.part});
    if (found != sums.end()) found->second.Add(input.rows, input.count, input.cols, pool);
  });
  const auto end_observation = absl::MakeCleanup([&] { model.ObserveInputs({}); });
  const int32_t chunk = std::clamp(options.chunk, 1, model.config().context);
  ChunkReader reader(model, chunk, kv_type);
  QUANTD_RETURN_IF_ERROR(ReadChunks(model.config(), tokens, options, {&reader}, [] {}).status());
  InputsByMatrix result;
  for (auto& [name, sum] : sums) {
    InputStatistics& statistics = result[name];
    if (sum.rows() > 0) statistics = sum.Take();
    if (IsFinite(statistics)) continue;
    return absl::InternalError(
        absl::StrCat("tensor ", name.matrix, ": its input is not finite on this text"));
  }
  return result;
}

}  // namespace quantd
