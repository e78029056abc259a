// Q6_K: 256 weights per block, a scale per 16 that is the product of two.

#include <algorithm>
#include <cmath>

#include "kernels/base/float16.h"
#include "runtime/formats/schemes.h"

namespace quantd::gguf {
namespace {

/// Block: u8 low[128], u8 high[64], i8 scale[16], h d. weight = d * scale[i / 16] * (code[i] - 32).
/// Each half of 128 weights has 64 bytes of low and 32 of high. Quarter q (32 weights) takes its
/// low four bits from low byte (q % 2) * 32 + l, the low nibble for q < 2 and the high one after,
/// and its top two bits from bits 2q, 2q + 1 of high byte l.
constexpr int kBlock = 256, kGroup = 16, kGroups = kBlock / kGroup;
constexpr int kHighAt = 128, kScalesAt = 192, kDAt = 208, kBytes = 210;

bool DecodeQ6Row(const uint8_t* bytes, int64_t k, int64_t row, QuantTensor* out) {
  const int64_t blocks = k / kBlock;
  uint8_t* codes = out->codes.data() + row * k;
  float* scales = out->scales.data() + row * blocks;
  int8_t* sub_scales = out->sub_scales.data() + row * blocks * kGroups;
  bool finite = true;
  for (int64_t b = 0; b < blocks; ++b, bytes += kBytes, sub_scales += kGroups) {
    const uint16_t d = LoadU16(bytes + kDAt);
    finite &= IsFiniteHalf(d);
    scales[b] = FiniteHalfToFloat(d);
    std::memcpy(sub_scales, bytes + kScalesAt, kGroups);
    for (int half = 0; half < 2; ++half) {
      for (int quarter = 0; quarter < 4; ++quarter, codes += 32) {
        const uint8_t* low = bytes + half * 64 + quarter % 2 * 32;
        const uint8_t* high = bytes + kHighAt + half * 32;
        const int low_shift = quarter / 2 * 4, high_shift = quarter * 2;
        for (int l = 0; l < 32; ++l) {
          codes[l] = (low[l] >> low_shift & 15) | (high[l] >> high_shift & 3) << 4;
        }
      }
    }
  }
  return finite;
}

void PackCodes(const uint8_t* codes, uint8_t* block) {
  std::memset(block, 0, kScalesAt);
  for (int i = 0; i < kBlock; ++i) {
    const int half = i / 128, quarter = i / 32 % 4, l = i % 32;
    block[half * 64 + quarter % 2 * 32 + l] |= (codes[i] & 15) << (quarter / 2 * 4);
    block[kHighAt + half * 32 + l] |= codes[i] >> 4 << (quarter * 2);
  }
}

void EncodeQ6Block(const float* weights, uint8_t* block) {
  float wanted[kGroups];  // scale that puts the group's extreme weight on code 0, the far end
  float largest = 0;
  for (int g = 0; g < kGroups; ++g) {
    float extreme = 0;
    for (int j = 0; j < kGroup; ++j) {
      const float weight = weights[g * kGroup + j];
      if (std::fabs(weight) > std::fabs(extreme)) extreme = weight;
    }
    wanted[g] = extreme / -32;
    if (std::fabs(wanted[g]) > std::fabs(largest)) largest = wanted[g];
  }
  const uint16_t half = FloatToHalf(std::min(std::fabs(largest) / 127, 65504.0f));
  std::memcpy(block + kDAt, &half, sizeof(half));
  const float d = HalfToFloat(half);
  uint8_t codes[kBlock];
  for (int g = 0; g < kGroups; ++g) {
    const float sub = d == 0 ? 0 : std::clamp(std::nearbyint(wanted[g] / d), -127.0f, 127.0f);
    block[kScalesAt + g] = static_cast<uint8_t>(static_cast<int8_t>(sub));
    const float inverse = sub == 0 ? 0 : 1 / (d * sub);
    for (int j = g * kGroup; j < (g + 1) * kGroup; ++j) {
      codes[j] = static_cast<uint8_t>(std::clamp(weights[j] * inverse + 32.5f, 0.0f, 63.0f));
    }
  }
  PackCodes(codes, block);
}

void EncodeQ6Row(const float* weights, int64_t k, uint8_t* bytes) {
  for (int64_t b = 0; b < k / kBlock; ++b) {
    EncodeQ6Block(weights + b * kBlock, bytes + b * kBytes);
  }
}

}  // namespace

constinit const GgufScheme kQ6_KScheme{14, "Q6_K", kQ6_K, kBlock, kBytes, DecodeQ6Row, EncodeQ6Row};

}  // namespace quantd::gguf
