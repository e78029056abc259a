#ifndef QUANTD_RUNTIME_QUANTIZE_AWQ_SEARCH_H_
#define QUANTD_RUNTIME_QUANTIZE_AWQ_SEARCH_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "kernels/base/thread_pool.h"
#include "kernels/base/weight_source.h"
#include "runtime/quantize/affine_group.h"

namespace quantd {

/// Inputs X [rows, k] that several matrices multiply.
struct AwqInput {
  int64_t k = 0;
  absl::Span<const float> magnitudes;  ///< mean |x| of each feature, [k]
  absl::Span<const float> products;    ///< X^T X or a multiple of it, [k, k]
};

/// A matrix [rows, k].
struct AwqMatrix {
  const float* weights;
  int64_t rows;
};

/// How matrices are rounded: groups of `group` features (-1: whole rows) on `grid`.
struct AwqRounding {
  AffineGrid grid;
  int64_t group = 128;
};

/// Quantizes one row of k weights, whose columns were multiplied by `scales` (empty: by 1), into
/// row `row` of *out, which was resized to AffineFormat(bits, group). Groups are fitted so that
/// errors count as much as the inputs they meet.
void QuantizeAwqRow(const AwqInput& input, const AwqRounding& rounding,
                    absl::Span<const float> scales, const float* scaled, int64_t row,
                    QuantTensor* out);

/// Activation-aware scaling (Lin et al. 2023): a factor s > 0 for each feature, by which the
/// columns of all matrices are going to be multiplied and the input divided, so that the weights of
/// large inputs lose less when they are rounded. s = magnitude^alpha, with the alpha among 0, 0.05,
/// ... 0.95 for which ||X (W - W')^T|| is least over all matrices (of large ones over some of their
/// rows); alpha = 0 scales nothing. `tied` names for each feature the first of those that must have
/// the same factor; empty: none. The result does not depend on the number of threads.
std::vector<float> SearchAwqScales(const AwqInput& input, absl::Span<const AwqMatrix> matrices,
                                   absl::Span<const int32_t> tied, const AwqRounding& rounding,
                                   ThreadPool& pool);

/// The squared error ||X (W - W')^T||^2 (in the unit of input.products) of one matrix under
/// given factors; what the search minimizes the sum of.
double AwqError(const AwqInput& input, const AwqMatrix& matrix, absl::Span<const float> scales,
                const AwqRounding& rounding, ThreadPool& pool);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_QUANTIZE_AWQ_SEARCH_H_
