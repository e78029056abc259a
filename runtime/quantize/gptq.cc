#include "runtime/quantize/gptq.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/quantize/add_products.h"
#include "runtime/quantize/inverse_factor.h"

namespace quantd {
namespace {

// Columns whose errors are taken from the rest of the row together.
constexpr int64_t kBlock = 128;
// Rows that share each read of the factor.
constexpr int64_t kSlabRows = 16;

/// A block ends where a group does, if it holds several.
int64_t BlockLength(int64_t group) { return group < kBlock ? kBlock / group * group : kBlock; }

}  // namespace

/// Some rows, block by block.
class GptqSolver::Slab {
 public:
  Slab(const GptqSolver& solver, QuantTensor* out)
      : solver_(solver),
        out_(*out),
        k_(solver.k_),
        group_(k_ / out->format.groups(k_)),
        block_(BlockLength(group_)),
        weights_(static_cast<size_t>(kSlabRows * k_)),
        errors_(static_cast<size_t>(kSlabRows * block_)) {}

  /// Rows [first, first + count) of `weights`, which is the whole matrix.
  void Run(const float* weights, int64_t first, int64_t count) {
    for (int64_t r = 0; r < count; ++r) Load(weights + (first + r) * k_, r);
    for (int64_t begin = 0; begin < k_; begin += block_) {
      const int64_t end = std::min(k_, begin + block_);
      for (int64_t r = 0; r < count; ++r) RoundBlock(first + r, r, begin, end);
      // Tile by tile, so that a tile of the factor is read once for all rows.
      for (int64_t tile = end; tile < k_; tile += kProductTile) {
        const int64_t width = std::min(kProductTile, k_ - tile);
        for (int64_t r = 0; r < count; ++r) {
          AddProducts(errors_.data() + r * block_, end - begin, Factor(begin) + tile, k_, width,
                      Weights(r) + tile);
        }
      }
    }
  }

 private:
  float* Weights(int64_t r) { return weights_.data() + r * k_; }
  const float* Factor(int64_t row) const { return solver_.factor_.data() + row * k_; }

  void Load(const float* row, int64_t r) {
    for (int64_t c = 0; c < k_; ++c) {
      const int64_t feature = solver_.k_order_.empty() ? c : solver_.k_order_[c];
      Weights(r)[c] = solver_.dead_[feature] ? 0 : row[feature];
    }
  }

  void RoundBlock(int64_t row, int64_t r, int64_t begin, int64_t end) {
    const AffineGrid& grid = solver_.options_.grid;
    float* const weights = Weights(r);
    float* const errors = errors_.data() + r * block_;
    for (int64_t c = begin; c < end; ++c) {
      if (c % group_ == 0) {
        fit_[r] = FitAffineGroup(grid, weights + c, solver_.importance_.data() + c, group_);
        const int64_t at = (row * k_ + c) / group_;
        out_.scales[at] = fit_[r].scale;
        if (!grid.symmetric) out_.zeros[at] = static_cast<uint8_t>(fit_[r].zero);
      }
      const uint8_t code = fit_[r].Code(weights[c], grid.top());
      out_.codes[row * k_ + c] = code;
      const float* const factor = Factor(c);
      const float error = (fit_[r].Value(code) - weights[c]) / factor[c];  // negated, to be added
      errors[c - begin] = error;
      for (int64_t later = c + 1; later < end; ++later) weights[later] += error * factor[later];
    }
  }

  const GptqSolver& solver_;
  QuantTensor& out_;
  const int64_t k_, group_, block_;
  std::vector<float> weights_;  // [rows, k], in k_order, with the errors so far taken off
  std::vector<float> errors_;   // [rows, block]
  AffineFit fit_[kSlabRows];    // of the group that each row is in
};

absl::StatusOr<GptqSolver> GptqSolver::Create(absl::Span<const float> products, int64_t k,
                                              const GptqOptions& options, ThreadPool& pool) {
  QUANTD_CHECK(static_cast<int64_t>(products.size()) == k * k, "X^T X is square");
  GptqSolver solver(options, k);
  std::vector<double> diagonal(static_cast<size_t>(k));
  for (int64_t i = 0; i < k; ++i) diagonal[i] = products[i * k + i];
  const double mean =
      std::accumulate(diagonal.begin(), diagonal.end(), 0.0) / static_cast<double>(k);
  for (double& value : diagonal) {
    solver.dead_.push_back(value == 0);
    if (value == 0) value = mean > 0 ? mean : 1;
  }
  std::vector<int32_t> order(static_cast<size_t>(k));
  std::iota(order.begin(), order.end(), 0);
  if (options.act_order) {
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return products[a * k + a] > products[b * k + b];
    });
    solver.k_order_ = order;
  }
  std::vector<double> h(products.size());
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < k; ++j) h[i * k + j] = products[order[i] * k + order[j]];
    h[i * k + i] = diagonal[order[i]] + options.damping * (mean > 0 ? mean : 1);
  }
  QUANTD_ASSIGN_OR_RETURN(solver.factor_, InverseFactor(std::move(h), k, pool));
  for (int64_t c = 0; c < k; ++c) {
    const float pivot = solver.factor_[c * k + c];
    solver.importance_.push_back(1 / (pivot * pivot));
  }
  return solver;
}

void GptqSolver::Quantize(const float* weights, int64_t rows, ThreadPool& pool,
                          QuantTensor* out) const {
  const auto group = static_cast<int>(options_.group == -1 ? 0 : options_.group);
  out->Resize(AffineFormat(options_.grid.bits, group,
                           options_.grid.symmetric ? ZeroType::kMidpoint : ZeroType::kCode),
              rows, k_);
  pool.ParallelFor(rows, kSlabRows, [&](int64_t begin, int64_t end, int) {
    Slab slab(*this, out);
    for (int64_t row = begin; row < end; row += kSlabRows) {
      slab.Run(weights, row, std::min(kSlabRows, end - row));
    }
  });
}

}  // namespace quantd
