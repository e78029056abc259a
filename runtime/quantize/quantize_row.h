#ifndef QUANTD_RUNTIME_QUANTIZE_QUANTIZE_ROW_H_
#define QUANTD_RUNTIME_QUANTIZE_QUANTIZE_ROW_H_

#include <cstdint>

#include "kernels/base/weight_source.h"

namespace quantd {

/// Quantizes one row of out->cols finite floats into row `row` of *out, whose format and buffers
/// were set by Resize, with the simple rule: a group's scale (and min) put its extreme weights on
/// the outermost codes, and every weight gets the nearest code. Scales and mins are numbers that
/// format.scale stores exactly. Float formats round the weights. Fast, for synthetic models
/// and tests. Thread-safe for different rows.
void QuantizeRow(const float* weights, int64_t row, QuantTensor* out);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_QUANTIZE_QUANTIZE_ROW_H_
