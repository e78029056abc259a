#ifndef QUANTD_RUNTIME_QUANTIZE_SEARCH_ROW_H_
#define QUANTD_RUNTIME_QUANTIZE_SEARCH_ROW_H_

#include <cstdint>

#include "kernels/base/weight_source.h"

namespace quantd {

/// Quantizes one row like QuantizeRow, but searches for the scales (and mins) with the least
/// squared error; about fifty times the work. `importance` has a factor for the error of each
/// column, for instance the mean square of the input that the column multiplies, at least 0 each;
/// null: errors of larger weights count a little more than those of small ones. FP8 and formats
/// with zero points are quantized by the simple rule. Thread-safe for different rows.
void SearchRow(const float* weights, const float* importance, int64_t row, QuantTensor* out);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_QUANTIZE_SEARCH_ROW_H_
