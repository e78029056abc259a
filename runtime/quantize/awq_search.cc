#include "runtime/quantize/awq_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/quantize/add_products.h"

namespace quantd {
namespace {

constexpr int kAlphas = 20;
// Of a matrix with more rows about so many stand for all.
constexpr int64_t kSampledRows = 512;
// Rows that share each read of the products.
constexpr int64_t kSlabRows = 16;
constexpr float kLeastMagnitude = 1e-4f;

QuantFormat FormatOf(const AwqRounding& rounding) {
  return AffineFormat(rounding.grid.bits,
                      static_cast<int>(rounding.group == -1 ? 0 : rounding.group),
                      rounding.grid.symmetric ? ZeroType::kMidpoint : ZeroType::kCode);
}

/// The mean of the features that are tied, for each of them.
std::vector<float> TiedMagnitudes(const AwqInput& input, absl::Span<const int32_t> tied) {
  std::vector<float> magnitudes(input.magnitudes.begin(), input.magnitudes.end());
  if (tied.empty()) return magnitudes;
  std::vector<double> sums(magnitudes.size());
  std::vector<int> counts(magnitudes.size());
  for (size_t c = 0; c < magnitudes.size(); ++c) {
    sums[tied[c]] += magnitudes[c];
    ++counts[tied[c]];
  }
  for (size_t c = 0; c < magnitudes.size(); ++c) {
    magnitudes[c] = static_cast<float>(sums[tied[c]] / counts[tied[c]]);
  }
  return magnitudes;
}

/// magnitude^alpha, the geometric mean of the extremes being 1.
std::vector<float> ScalesOf(absl::Span<const float> magnitudes, float alpha) {
  std::vector<float> scales;
  for (const float magnitude : magnitudes) {
    scales.push_back(std::pow(std::max(magnitude, kLeastMagnitude), alpha));
  }
  const auto [least, most] = std::minmax_element(scales.begin(), scales.end());
  const float middle = std::sqrt(*least * *most);
  for (float& scale : scales) scale /= middle;
  return scales;
}

/// Errors of some rows of one matrix, the square of each in its own place.
class RowErrors {
 public:
  RowErrors(const AwqInput& input, const AwqMatrix& matrix, absl::Span<const float> scales,
            const AwqRounding& rounding)
      : input_(input), matrix_(matrix), scales_(scales), rounding_(rounding) {
    coded_.Resize(FormatOf(rounding), 1, input.k);
    scaled_.resize(static_cast<size_t>(input.k));
    differences_.resize(static_cast<size_t>(kSlabRows * input.k));
    products_.resize(static_cast<size_t>(kSlabRows * kProductTile));
  }

  /// Of rows first, first + step, ...; `count` of them.
  void Add(int64_t first, int64_t count, int64_t step, double* errors) {
    const int64_t k = input_.k;
    for (int64_t r = 0; r < count; ++r) {
      Difference(matrix_.weights + (first + r * step) * k, differences_.data() + r * k);
      errors[r] = 0;
    }
    for (int64_t tile = 0; tile < k; tile += kProductTile) {
      const int64_t width = std::min(kProductTile, k - tile);
      for (int64_t r = 0; r < count; ++r) {
        float* const product = products_.data() + r * kProductTile;
        const float* const difference = differences_.data() + r * k;
        std::fill_n(product, width, 0.0f);
        AddProducts(difference, k, input_.products.data() + tile, k, width, product);
        for (int64_t j = 0; j < width; ++j) {
          errors[r] += double{product[j]} * difference[tile + j];
        }
      }
    }
  }

 private:
  void Difference(const float* weights, float* difference) {
    for (int64_t c = 0; c < input_.k; ++c) scaled_[c] = weights[c] * scales_[c];
    QuantizeAwqRow(input_, rounding_, scales_, scaled_.data(), 0, &coded_);
    const int64_t groups = coded_.format.groups(input_.k), length = input_.k / groups;
    for (int64_t c = 0; c < input_.k; ++c) {
      const int64_t g = c / length;
      const float zero = coded_.zeros.empty() ? static_cast<float>(1 << (rounding_.grid.bits - 1))
                                              : static_cast<float>(coded_.zeros[g]);
      const float value = coded_.scales[g] * (static_cast<float>(coded_.codes[c]) - zero);
      difference[c] = value / scales_[c] - weights[c];
    }
  }

  const AwqInput& input_;
  const AwqMatrix& matrix_;
  const absl::Span<const float> scales_;
  const AwqRounding& rounding_;
  QuantTensor coded_;
  std::vector<float> scaled_, differences_, products_;
};

double SampledError(const AwqInput& input, const AwqMatrix& matrix, absl::Span<const float> scales,
                    const AwqRounding& rounding, int64_t step, ThreadPool& pool) {
  const int64_t count = (matrix.rows - 1) / step + 1;
  std::vector<double> errors(static_cast<size_t>(count));
  pool.ParallelFor(count, kSlabRows, [&](int64_t begin, int64_t end, int) {
    RowErrors rows(input, matrix, scales, rounding);
    for (int64_t i = begin; i < end; i += kSlabRows) {
      rows.Add(i * step, std::min(kSlabRows, end - i), step, errors.data() + i);
    }
  });
  double sum = 0;  // in one order, however many threads there are
  for (const double error : errors) sum += error;
  return sum * static_cast<double>(step);
}

}  // namespace

void QuantizeAwqRow(const AwqInput& input, const AwqRounding& rounding,
                    absl::Span<const float> scales, const float* scaled, int64_t row,
                    QuantTensor* out) {
  const int64_t k = input.k, groups = out->format.groups(k), length = k / groups;
  std::vector<float> importance(static_cast<size_t>(length));
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t i = 0; i < length; ++i) {
      const int64_t c = g * length + i;
      const float scale = scales.empty() ? 1.0f : scales[c];
      importance[i] = input.products[c * k + c] / (scale * scale);
    }
    const float* const weights = scaled + g * length;
    const AffineFit fit = FitAffineGroup(rounding.grid, weights, importance.data(), length);
    out->scales[row * groups + g] = fit.scale;
    if (!out->zeros.empty()) out->zeros[row * groups + g] = static_cast<uint8_t>(fit.zero);
    for (int64_t i = 0; i < length; ++i) {
      out->codes[row * k + g * length + i] = fit.Code(weights[i], rounding.grid.top());
    }
  }
}

std::vector<float> SearchAwqScales(const AwqInput& input, absl::Span<const AwqMatrix> matrices,
                                   absl::Span<const int32_t> tied, const AwqRounding& rounding,
                                   ThreadPool& pool) {
  const std::vector<float> magnitudes = TiedMagnitudes(input, tied);
  std::vector<float> best;
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kAlphas; ++i) {
    std::vector<float> scales =
        ScalesOf(magnitudes, static_cast<float>(i) / static_cast<float>(kAlphas));
    double error = 0;
    for (const AwqMatrix& matrix : matrices) {
      const int64_t step = (matrix.rows + kSampledRows - 1) / kSampledRows;
      error += SampledError(input, matrix, scales, rounding, step, pool);
    }
    if (!best.empty() && error >= least) continue;
    least = error;
    best = std::move(scales);
  }
  return best;
}

double AwqError(const AwqInput& input, const AwqMatrix& matrix, absl::Span<const float> scales,
                const AwqRounding& rounding, ThreadPool& pool) {
  return SampledError(input, matrix, scales, rounding, 1, pool);
}

}  // namespace quantd
