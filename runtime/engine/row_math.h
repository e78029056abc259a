#ifndef QUANTD_RUNTIME_ENGINE_ROW_MATH_H_
#define QUANTD_RUNTIME_ENGINE_ROW_MATH_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace quantd {

/// The best of a row of logits.
struct RowBest {
  int32_t id = -1;  ///< lowest id among equals; -1 when every logit is -infinity
  float value = 0;
  bool valid = true;  ///< false when a logit is NaN or +infinity; then the rest means nothing
};

/// Finds the best logit and checks all of them, reading the row once.
RowBest FindBest(absl::Span<const float> row);

/// Values per entry of the block sums below.
inline constexpr int64_t kRowBlock = 512;

/// Replaces each logit x by its weight exp((x - best) / temperature), which is 1 for the best, or
/// by 0 where that is below `floor`. Returns the sum; sums[i] gets that of block i.
double ToWeights(absl::Span<float> row, float best, float temperature, float floor,
                 std::vector<double>* sums);

/// log(sum(exp(x))) of a row whose largest value is `best`.
double LogSumExp(absl::Span<const float> row, float best);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_ROW_MATH_H_
