#ifndef QUANTD_KERNELS_GEMM_CPU_QUANTIZE_BLOCK_H_
#define QUANTD_KERNELS_GEMM_CPU_QUANTIZE_BLOCK_H_

#include <stdint.h>
#include <string.h>

#include "kernels/gemm/gemm_args.h"

// How activations become a QuantizedBlock, in loops that compilers turn into vector code: one
// source, compiled for each instruction set (the scalar reference among them), so that the bits are
// the same. C headers and unnamed namespaces only; see kernels.h.

namespace quantd {
namespace {  // NOLINT(google-build-namespaces): each file has its own, compiled with its flags

constexpr int kSub = 32;  // activations of a sub-block
constexpr int kSubs = kQuantizedWeights / kSub;
constexpr int kMaxShift = 7;
constexpr float kTiny = 0x1p-100f;
constexpr int32_t kInfinity = 0x7f800000;
// Adding it to a float of magnitude < 2^22 leaves the nearest integer in the low mantissa bits,
// rounded to even by the FPU: the loops below vectorize, calls of lrintf do not.
constexpr float kRoundMagic = 12582912.0f;  // 1.5 * 2^23
constexpr int32_t kRoundMagicBits = 0x4b400000;

// Bits of max|x|: magnitudes of floats order as integers, with infinity and NaN on top.
inline int32_t MaxMagnitude(const float* x) {
  int32_t bits[kSub], max = 0;
  memcpy(bits, x, sizeof(bits));
  for (int i = 0; i < kSub; ++i) {
    const int32_t magnitude = bits[i] & 0x7fffffff;
    max = max > magnitude ? max : magnitude;
  }
  return max;
}

// log2 of how much a sub-block may grow without passing the largest of the block, as far as shifts
// go: the difference of the exponents, one less where the fraction would pass it.
inline int Down(int32_t largest, int32_t magnitude) {
  const int room = (largest - magnitude) >> 23;
  return room < kMaxShift ? room : kMaxShift;
}

inline float ScaleOf(float max) { return max / 127.0f * 0x1p-7f; }

// Codes and sums of sub-block `b`, whose scale is 2^-down times that of the whole.
inline void QuantizeSub(const float* x, float inverse, int b, int down, QuantizedBlock* block) {
  float rounded[kSub];
  int32_t codes[kSub];
  for (int i = 0; i < kSub; ++i) rounded[i] = x[i] * inverse + kRoundMagic;
  memcpy(codes, rounded, sizeof(codes));
  for (int i = 0; i < kSub; ++i) codes[i] -= kRoundMagicBits;
  const int shift = kMaxShift - down;
  int32_t halves[2] = {0, 0};
  for (int i = 0; i < kSub / 2; ++i) halves[0] += codes[i];
  for (int i = kSub / 2; i < kSub; ++i) halves[1] += codes[i];
  for (int i = 0; i < kSub; ++i) block->codes[kSub * b + i] = static_cast<int8_t>(codes[i]);
  for (int h = 0; h < 2; ++h) {
    block->half_starts[2 * b + h] = -halves[h];
    block->half_sums[2 * b + h] = static_cast<float>(halves[h] * (1 << shift));
  }
  block->starts[b] = -(halves[0] + halves[1]);
  block->shifts[b] = shift;
  block->sums[b] = static_cast<float>((halves[0] + halves[1]) * (1 << shift));
}

inline void QuantizeBlock(const float* x, QuantizedBlock* block) {
  int32_t magnitudes[kSubs], largest = 0;
  for (int b = 0; b < kSubs; ++b) {
    magnitudes[b] = MaxMagnitude(x + kSub * b);
    largest = largest > magnitudes[b] ? largest : magnitudes[b];
  }
  float max;
  memcpy(&max, &largest, sizeof(max));
  memset(block, 0, sizeof(*block));
  if (largest >= kInfinity || max < kTiny) {
    if (largest >= kInfinity) block->scale = __builtin_nanf("");
    return;
  }
  block->scale = ScaleOf(max);
  const float inverse = 127.0f / max;
  for (int b = 0; b < kSubs; ++b) {
    const int down = Down(largest, magnitudes[b]);
    QuantizeSub(x + kSub * b, inverse * static_cast<float>(1 << down), b, down, block);
  }
}

// quantize(x, block) for every block of a row, the last one padded with zeros.
template <class Quantize>
inline void ForBlocks(const float* x, int64_t k, QuantizedBlock* blocks, const Quantize& quantize) {
  const int64_t whole = k / kQuantizedWeights;
  for (int64_t b = 0; b < whole; ++b) quantize(x + b * kQuantizedWeights, blocks + b);
  const int64_t tail = k % kQuantizedWeights;
  if (tail == 0) return;
  float padded[kQuantizedWeights] = {};
  memcpy(padded, x + whole * kQuantizedWeights, tail * sizeof(float));
  quantize(padded, blocks + whole);
}

}  // namespace
}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_QUANTIZE_BLOCK_H_
