#ifndef QUANTD_RUNTIME_QUANTIZE_ROW_FLOATS_H_
#define QUANTD_RUNTIME_QUANTIZE_ROW_FLOATS_H_

#include <cstdint>
#include <memory>

#include "kernels/base/weight_source.h"

namespace quantd {

/// Writes the weights of one row, out->cols floats: those of QuantTensor::At, but quickly.
void RowFloats(const QuantTensor& rows, int64_t row, float* out);

/// The same matrix with its weights decoded to F32. Errors of Decode are those of `source`.
std::unique_ptr<WeightSource> DecodedToFloat(std::unique_ptr<WeightSource> source);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_QUANTIZE_ROW_FLOATS_H_
