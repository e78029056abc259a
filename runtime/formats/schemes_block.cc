// The formats of 32 weights per block with one scale: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1.

#include <algorithm>
#include <cmath>

#include "kernels/base/float16.h"
#include "runtime/formats/schemes.h"

namespace quantd::gguf {
namespace {

constexpr int kBlock = 32;

/// Block of the 4- and 5-bit formats:
///   h d            scale
///   h m            minimum, only if kHasMin
///   u32 high       5 bits only: bit j is the top bit of code j
///   u8 low[16]     low nibble: code j, high nibble: code j + 16
/// weight = d * (code - 2^(kBits-1)), or d * code + m if kHasMin.
template <int kBits, bool kHasMin>
struct NibbleBlock {
  static constexpr int kHighAt = kHasMin ? 4 : 2;
  static constexpr int kLowAt = kHighAt + (kBits == 5 ? 4 : 0);
  static constexpr int kBytes = kLowAt + kBlock / 2;
  static constexpr int kLevels = 1 << kBits, kMiddle = kLevels / 2;

  static void DecodeCodes(const uint8_t* block, uint8_t* codes) {
    const uint8_t* low = block + kLowAt;
    for (int j = 0; j < kBlock / 2; ++j) {
      codes[j] = low[j] & 15;
      codes[j + kBlock / 2] = low[j] >> 4;
    }
    if constexpr (kBits == 5) {
      uint32_t high;
      std::memcpy(&high, block + kHighAt, sizeof(high));
      for (int j = 0; j < kBlock; ++j) codes[j] |= (high >> j & 1) << 4;
    }
  }

  static bool DecodeRow(const uint8_t* bytes, int64_t k, int64_t row, QuantTensor* out) {
    const int64_t blocks = k / kBlock;
    uint8_t* codes = out->codes.data() + row * k;
    float* scales = out->scales.data() + row * blocks;
    bool finite = true;
    for (int64_t b = 0; b < blocks; ++b, bytes += kBytes) {
      const uint16_t d = LoadU16(bytes);
      finite &= IsFiniteHalf(d);
      scales[b] = FiniteHalfToFloat(d);
      if constexpr (kHasMin) {
        const uint16_t m = LoadU16(bytes + 2);
        finite &= IsFiniteHalf(m);
        out->mins[row * blocks + b] = FiniteHalfToFloat(m);
      }
      DecodeCodes(bytes, codes + b * kBlock);
    }
    return finite;
  }

  static void EncodeRow(const float* weights, int64_t k, uint8_t* bytes);
};

/// The largest finite half: scales are kept at or below it.
constexpr float kMaxHalf = 65504.0f;

/// Stores a half at `bytes` and returns the value that a reader will see.
float StoreHalf(float value, uint8_t* bytes) {
  const uint16_t half = FloatToHalf(std::clamp(value, -kMaxHalf, kMaxHalf));
  std::memcpy(bytes, &half, sizeof(half));
  return HalfToFloat(half);
}

/// The weight of largest magnitude, with its sign.
float Extreme(const float* weights, int count) {
  float extreme = 0;
  for (int j = 0; j < count; ++j) {
    if (std::fabs(weights[j]) > std::fabs(extreme)) extreme = weights[j];
  }
  return extreme;
}

/// The integer nearest to `value` within [low, high].
int NearestCode(float value, int low, int high) {
  const float bounded = std::clamp(value, static_cast<float>(low), static_cast<float>(high));
  // Rounding by truncation of a positive number: lrint costs a call per weight.
  return static_cast<int>(bounded - static_cast<float>(low) + 0.5f) + low;
}

template <int kBits, bool kHasMin>
void NibbleBlock<kBits, kHasMin>::EncodeRow(const float* weights, int64_t k, uint8_t* bytes) {
  for (int64_t b = 0; b < k / kBlock; ++b, weights += kBlock, bytes += kBytes) {
    float scale = 0, offset = 0;  // weight = scale * code + offset
    if constexpr (kHasMin) {
      const auto [low, high] = std::minmax_element(weights, weights + kBlock);
      scale = StoreHalf((*high - *low) / (kLevels - 1), bytes);
      offset = StoreHalf(*low, bytes + 2);
    } else {
      // The side with one level more goes to the extreme weight, whatever its sign.
      scale = StoreHalf(Extreme(weights, kBlock) / -kMiddle, bytes);
      offset = -scale * kMiddle;
    }
    const float inverse = scale == 0 ? 0 : 1 / scale;
    uint8_t codes[kBlock];
    uint32_t high = 0;
    for (int j = 0; j < kBlock; ++j) {
      codes[j] = scale == 0 ? (kHasMin ? 0 : kMiddle)
                            : NearestCode((weights[j] - offset) * inverse, 0, kLevels - 1);
      high |= static_cast<uint32_t>(codes[j] >> 4) << j;
    }
    if constexpr (kBits == 5) std::memcpy(bytes + kHighAt, &high, sizeof(high));
    for (int j = 0; j < kBlock / 2; ++j) {
      bytes[kLowAt + j] = (codes[j] & 15) | (codes[j + kBlock / 2] & 15) << 4;
    }
  }
}

/// Q8_0 block: h d, i8 code[32]; weight = d * code.
constexpr int kQ8Bytes = 2 + kBlock;

bool DecodeQ8Row(const uint8_t* bytes, int64_t k, int64_t row, QuantTensor* out) {
  const int64_t blocks = k / kBlock;
  uint8_t* codes = out->codes.data() + row * k;
  float* scales = out->scales.data() + row * blocks;
  bool finite = true;
  for (int64_t b = 0; b < blocks; ++b, bytes += kQ8Bytes) {
    const uint16_t d = LoadU16(bytes);
    finite &= IsFiniteHalf(d);
    scales[b] = FiniteHalfToFloat(d);
    // Adding 128 to a two's complement byte flips its top bit.
    for (int j = 0; j < kBlock; ++j) codes[b * kBlock + j] = bytes[2 + j] ^ 0x80;
  }
  return finite;
}

void EncodeQ8Row(const float* weights, int64_t k, uint8_t* bytes) {
  for (int64_t b = 0; b < k / kBlock; ++b, weights += kBlock, bytes += kQ8Bytes) {
    const float scale = StoreHalf(std::fabs(Extreme(weights, kBlock)) / 127, bytes);
    const float inverse = scale == 0 ? 0 : 1 / scale;
    for (int j = 0; j < kBlock; ++j) {
      bytes[2 + j] = static_cast<uint8_t>(NearestCode(weights[j] * inverse, -127, 127));
    }
  }
}

template <int kBits, bool kHasMin>
constexpr GgufScheme NibbleScheme(uint32_t type_id, const char* name, QuantFormat format) {
  using Block = NibbleBlock<kBits, kHasMin>;
  return {type_id, name, format, kBlock, Block::kBytes, Block::DecodeRow, Block::EncodeRow};
}

}  // namespace

constinit const GgufScheme kQ4_0Scheme = NibbleScheme<4, false>(2, "Q4_0", kQ4_0);
constinit const GgufScheme kQ4_1Scheme = NibbleScheme<4, true>(3, "Q4_1", kQ4_1);
constinit const GgufScheme kQ5_0Scheme = NibbleScheme<5, false>(6, "Q5_0", kQ5_0);
constinit const GgufScheme kQ5_1Scheme = NibbleScheme<5, true>(7, "Q5_1", kQ5_1);
constinit const GgufScheme kQ8_0Scheme{8,        "Q8_0",      kQ8_0,      kBlock,
                                       kQ8Bytes, DecodeQ8Row, EncodeQ8Row};

}  // namespace quantd::gguf
