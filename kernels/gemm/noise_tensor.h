#ifndef QUANTD_KERNELS_GEMM_NOISE_TENSOR_H_
#define QUANTD_KERNELS_GEMM_NOISE_TENSOR_H_

#include "kernels/base/noise.h"
#include "kernels/base/weight_source.h"

namespace quantd {

/// Random weights [rows, cols] of any format, of magnitude 1 or so, that its scales, mins and
/// values hold exactly: the operands of self-checks, tests and benchmarks.
QuantTensor NoiseTensor(const QuantFormat& format, int64_t rows, int64_t cols, Noise* noise);

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_NOISE_TENSOR_H_
