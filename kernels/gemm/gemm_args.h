#ifndef QUANTD_KERNELS_GEMM_GEMM_ARGS_H_
#define QUANTD_KERNELS_GEMM_GEMM_ARGS_H_

#include <stdint.h>

// What a kernel function receives. Plain declarations only: files compiled for one instruction
// set include this.

namespace quantd {

/// 32 consecutive activations of one row as int8: x[i] is about codes[i] * scale, scale =
/// max|x| / 127. A block with a NaN or infinity has scale NaN, so that the output shows it.
struct QuantizedBlock {
  int8_t codes[32];  ///< -127 .. 127
  float scale;
  int16_t sums[2];  ///< of codes[0..15] and codes[16..31]
};

/// y[c, r] = x[c, :] . w[r, :] for c < m and r < rows, rows being those of `groups` packed row
/// groups of 16.
struct GemmArgs {
  const uint8_t* weights;   ///< first row group, layout WeightLayout::kRows16
  int64_t groups;           ///< row groups, >= 1
  int64_t rows;             ///< output rows to write, 16 * (groups - 1) < rows <= 16 * groups
  int64_t k;                ///< in features
  int64_t m;                ///< input rows, within the kernel's min_m .. max_m
  const float* x;           ///< [m, k], for kernels on F32 activations
  int64_t x_stride;         ///< floats
  const QuantizedBlock* q;  ///< [m, ceil(k / 32)], for kernels on int8 activations
  int64_t q_stride;         ///< blocks
  float* y;                 ///< [m, rows]
  int64_t y_stride;         ///< floats
};

using GemmRun = void (*)(const GemmArgs& args);

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_GEMM_ARGS_H_
