#include "kernels/gemm/activations.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "kernels/base/check.h"
#include "kernels/gemm/rows16_format.h"

namespace quantd {
namespace {

constexpr float kTiny = 0x1p-100f;
// Adding it to a float of magnitude < 2^22 leaves the nearest integer in the low mantissa bits,
// rounded to even by the FPU: the loops below vectorize, calls of lrintf do not.
constexpr float kRoundMagic = 12582912.0f;  // 1.5 * 2^23

// Bits of max|x|: magnitudes of floats order as integers, with infinity and NaN on top.
uint32_t MaxMagnitude(const float* x) {
  int32_t max = 0;
  for (int i = 0; i < kBlockWeights; ++i) {
    max = std::max(max, std::bit_cast<int32_t>(x[i]) & 0x7fffffff);
  }
  return static_cast<uint32_t>(max);
}

void QuantizeBlock(const float* x, QuantizedBlock* block) {
  const uint32_t magnitude = MaxMagnitude(x);
  const float max = std::bit_cast<float>(magnitude);
  if (magnitude >= 0x7f800000u || max < kTiny) {
    *block = {};
    if (magnitude >= 0x7f800000u) block->scale = std::numeric_limits<float>::quiet_NaN();
    return;
  }
  const float inverse = 127.0f / max;
  int32_t codes[kBlockWeights];
  for (int i = 0; i < kBlockWeights; ++i) {
    codes[i] =
        std::bit_cast<int32_t>(x[i] * inverse + kRoundMagic) - std::bit_cast<int32_t>(kRoundMagic);
  }
  int32_t sums[2] = {};
  for (int half = 0; half < 2; ++half) {
    for (int i = 0; i < 16; ++i) sums[half] += codes[16 * half + i];
  }
  for (int i = 0; i < kBlockWeights; ++i) block->codes[i] = static_cast<int8_t>(codes[i]);
  block->scale = max / 127.0f;
  block->sums[0] = static_cast<int16_t>(sums[0]);
  block->sums[1] = static_cast<int16_t>(sums[1]);
}

// Below this many values a parallel region costs more than it saves.
constexpr int64_t kSerialValues = 8192;

}  // namespace

void QuantizeRow(const float* x, int64_t k, QuantizedBlock* blocks) {
  const int64_t whole = k / kBlockWeights;
  for (int64_t b = 0; b < whole; ++b) QuantizeBlock(x + b * kBlockWeights, blocks + b);
  const int64_t tail = k % kBlockWeights;
  if (tail == 0) return;
  float padded[kBlockWeights] = {};
  std::memcpy(padded, x + whole * kBlockWeights, tail * sizeof(float));
  QuantizeBlock(padded, blocks + whole);
}

void Activations::Set(const float* x, int64_t m, int64_t k, int64_t stride) {
  QUANTD_CHECK(m >= 0 && k > 0 && stride >= k, "rows of activations must not overlap");
  x_ = x;
  m_ = m;
  k_ = k;
  stride_ = stride;
  quantized_ = false;
}

const QuantizedBlock* ActivationAccess::Quantized(Activations& x, ThreadPool& pool) {
  const int64_t blocks = (x.k_ + kBlockWeights - 1) / kBlockWeights;
  const size_t bytes = x.m_ * blocks * sizeof(QuantizedBlock);
  if (x.quantized_) return x.blocks_.as<QuantizedBlock>();
  if (x.blocks_.size() < bytes) x.blocks_ = AlignedBuffer(bytes);
  QUANTD_CHECK(x.blocks_.size() >= bytes, "out of memory for quantized activations");
  auto* const out = x.blocks_.as<QuantizedBlock>();
  const auto quantize = [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) QuantizeRow(x.row(i), x.k_, out + i * blocks);
  };
  if (x.m_ * x.k_ <= kSerialValues) {
    quantize(0, x.m_, 0);
  } else {
    pool.ParallelFor(x.m_, 1, quantize);
  }
  x.quantized_ = true;
  return out;
}

}  // namespace quantd
