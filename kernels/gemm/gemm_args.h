#ifndef QUANTD_KERNELS_GEMM_GEMM_ARGS_H_
#define QUANTD_KERNELS_GEMM_GEMM_ARGS_H_

#include <stdint.h>

// What a kernel function receives. Plain declarations only: files compiled for one instruction
// set include this.

namespace quantd {

/// 256 consecutive activations of one row as int8. Each sub-block of 32 has a scale of its own, a
/// power of two below that of the whole: x[i] is about codes[i] * scale * 2^shifts[i / 32], with
/// scale = max|x| / 127 / 2^7 and shifts 0 .. 7. A block with a NaN or infinity has scale NaN, so
/// that the output shows it. 64-byte lines by use: codes, what every integer format needs, mins,
/// formats with a scale per 16.
struct alignas(64) QuantizedBlock {
  int8_t codes[256];  ///< -127 .. 127
  int32_t starts[8];  ///< minus the sum of the codes of a sub-block
  int32_t shifts[8];  ///< 7 - log2 of how much smaller the sub-block's scale is
  float scale;        ///< of an integer sum after its shift
  int32_t padding[7];
  float sums[8];            ///< sum of codes of a sub-block, shifted; exact
  int32_t half_starts[16];  ///< as starts, for each 16
  float half_sums[16];      ///< as sums, for each 16
};
static_assert(sizeof(QuantizedBlock) == 512);

/// Activations of a row in a QuantizedBlock; blocks of a row of k.
inline constexpr int kQuantizedWeights = 256;
constexpr int64_t QuantizedBlocks(int64_t k) {
  return (k + kQuantizedWeights - 1) / kQuantizedWeights;
}

/// Values of a row of k activations in BF16: padded with zeros to what a tile register takes.
constexpr int64_t Bf16Stride(int64_t k) { return (k + 31) / 32 * 32; }

/// y[c, r] = x[c, :] . w[r, :] for c < m and r < rows, rows being those of `groups` packed row
/// groups of 32.
struct GemmArgs {
  const uint8_t* weights;   ///< first row group, layout WeightLayout::kRows32
  int64_t groups;           ///< row groups, >= 1
  int64_t rows;             ///< output rows to write, 32 * (groups - 1) < rows <= 32 * groups
  int64_t k;                ///< in features
  int span;                 ///< k that share a scale, where the format leaves it open: 32 .. 256
  int64_t m;                ///< input rows, within the kernel's min_m .. max_m
  const float* x;           ///< [m, k], for kernels on F32 activations
  int64_t x_stride;         ///< floats
  const QuantizedBlock* q;  ///< [m, QuantizedBlocks(k)], for kernels on int8 activations
  int64_t q_stride;         ///< blocks
  float* y;                 ///< [m, rows]
  int64_t y_stride;         ///< floats
  bool accumulate = false;  ///< go on from the sums in y: an earlier part of K is done
  const uint16_t* bf16 = nullptr;  ///< [m, Bf16Stride(k)], for kernels on BF16 activations
  int64_t bf16_stride = 0;         ///< values
  int64_t fetch_ahead = 0;         ///< Hardware::fetch_ahead, of kernels for m = 1
};

using GemmRun = void (*)(const GemmArgs& args);

/// Quantizes x[k] into blocks[QuantizedBlocks(k)]; the last block is padded with zeros. Codes are
/// rounded to nearest, ties to even. Blocks of (nearly) nothing, max|x| below 2^-100, become zeros.
using QuantizeRun = void (*)(const float* x, int64_t k, QuantizedBlock* blocks);

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_GEMM_ARGS_H_
