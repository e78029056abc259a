#ifndef QUANTD_KERNELS_GEMM_OUTLIERS_H_
#define QUANTD_KERNELS_GEMM_OUTLIERS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "kernels/gemm/gemm_args.h"
#include "kernels/gemm/rows32_format.h"

// LLM.int8(): the few activations of a row that are far larger than the others are multiplied in
// float, beside the product of the others in int8. Which they are depends on the row alone.

namespace quantd {

/// A format whose products can leave activations out: one that AddOutliers reads columns of.
constexpr bool TakesOutliers(PackedFormat format) { return format == PackedFormat::kInt8; }

/// An activation that is multiplied apart, of input feature (column of the weight) k.
struct Outlier {
  int32_t k;
  float x;
};

/// Puts the elements of x[k] with threshold <= |x| < infinity into *outliers, by k, and if there
/// are any the others, with zeros in their places, into *rest; else `rest` is left as it is.
void FindOutliers(const float* x, int64_t k, float threshold, std::vector<Outlier>* outliers,
                  std::vector<float>* rest);

/// y[c, r] += x * w[r, k] for the outliers of each input row c, by k, each product and each sum
/// rounded to F32. Reads of `args` weights, groups, rows, k, span, m, y and y_stride; the format
/// is one that TakesOutliers. rows: args.m of them. For the next call a thread keeps 8 bytes for
/// each k, and 128 for each column that it needed at once.
void AddOutliers(const GemmArgs& args, absl::Span<const std::vector<Outlier>> rows);

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_OUTLIERS_H_
