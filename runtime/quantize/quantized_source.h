#ifndef QUANTD_RUNTIME_QUANTIZE_QUANTIZED_SOURCE_H_
#define QUANTD_RUNTIME_QUANTIZE_QUANTIZED_SOURCE_H_

#include <memory>

#include "kernels/base/weight_source.h"

namespace quantd {

/// The rows of `source`, whose format is float, quantized by SearchRow whenever they are decoded:
/// a model in another format without a file of it. A row must be a
/// whole number of the format's groups; a float format rounds the weights.
std::unique_ptr<WeightSource> QuantizedTo(const QuantFormat& format,
                                          std::unique_ptr<WeightSource> source);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_QUANTIZE_QUANTIZED_SOURCE_H_
