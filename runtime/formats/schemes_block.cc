// The formats of 32 weights per block with one scale: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL, MXFP4.

#include <cmath>

#include "runtime/formats/schemes.h"

namespace quantd::gguf {
namespace {

constexpr int kBlock = 32;

/// Four bits per code. Low nibble of byte j: code j, high nibble: code j + 16.
void UnpackNibbles(const uint8_t* bytes, uint8_t* codes) {
  for (int j = 0; j < kBlock / 2; ++j) {
    codes[j] = bytes[j] & 15;
    codes[j + kBlock / 2] = bytes[j] >> 4;
  }
}

void PackNibbles(const uint8_t* codes, uint8_t* bytes) {
  for (int j = 0; j < kBlock / 2; ++j) {
    bytes[j] = (codes[j] & 15) | (codes[j + kBlock / 2] & 15) << 4;
  }
}

/// Block of the 4- and 5-bit formats with a half as scale:
///   h d            scale
///   h m            minimum, only if kHasMin
///   u32 high       5 bits only: bit j is the top bit of code j
///   u8 low[16]     nibbles
/// weight = d * value of the code, or d * code + m if kHasMin.
template <int kBits, bool kHasMin>
struct NibbleBlock {
  static constexpr int kHighAt = kHasMin ? 4 : 2;
  static constexpr int kLowAt = kHighAt + (kBits == 5 ? 4 : 0);
  static constexpr int kBytes = kLowAt + kBlock / 2;

  static bool DecodeRow(const uint8_t* bytes, int64_t k, int64_t row, QuantTensor* out) {
    const int64_t blocks = k / kBlock;
    uint8_t* codes = out->codes.data() + row * k;
    float* scales = out->scales.data() + row * blocks;
    bool finite = true;
    for (int64_t b = 0; b < blocks; ++b, bytes += kBytes, codes += kBlock) {
      const uint16_t d = LoadU16(bytes);
      finite &= IsFiniteHalf(d);
      scales[b] = FiniteHalfToFloat(d);
      if constexpr (kHasMin) {
        const uint16_t m = LoadU16(bytes + 2);
        finite &= IsFiniteHalf(m);
        out->mins[row * blocks + b] = FiniteHalfToFloat(m);
      }
      UnpackNibbles(bytes + kLowAt, codes);
      if constexpr (kBits == 5) {
        uint32_t high;
        std::memcpy(&high, bytes + kHighAt, sizeof(high));
        for (int j = 0; j < kBlock; ++j) codes[j] |= (high >> j & 1) << 4;
      }
    }
    return finite;
  }

  static void PackRow(const QuantTensor& rows, int64_t row, uint8_t* bytes) {
    const int64_t blocks = rows.cols / kBlock;
    const uint8_t* codes = rows.codes.data() + row * rows.cols;
    for (int64_t b = 0; b < blocks; ++b, bytes += kBytes, codes += kBlock) {
      StoreHalf(rows.scales[row * blocks + b], bytes);
      if constexpr (kHasMin) StoreHalf(rows.mins[row * blocks + b], bytes + 2);
      PackNibbles(codes, bytes + kLowAt);
      if constexpr (kBits == 5) {
        uint32_t high = 0;
        for (int j = 0; j < kBlock; ++j) high |= static_cast<uint32_t>(codes[j] >> 4) << j;
        std::memcpy(bytes + kHighAt, &high, sizeof(high));
      }
    }
  }

  static constexpr GgufScheme Scheme(uint32_t type_id, const char* name, QuantFormat format,
                                     uint32_t file_type) {
    return {type_id, name, format, kBlock, kBytes, file_type, DecodeRow, PackRow};
  }
};

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

void PackQ8Row(const QuantTensor& rows, int64_t row, uint8_t* bytes) {
  const int64_t blocks = rows.cols / kBlock;
  const uint8_t* codes = rows.codes.data() + row * rows.cols;
  for (int64_t b = 0; b < blocks; ++b, bytes += kQ8Bytes) {
    StoreHalf(rows.scales[row * blocks + b], bytes);
    for (int j = 0; j < kBlock; ++j) bytes[2 + j] = codes[b * kBlock + j] ^ 0x80;
  }
}

/// MXFP4 block: u8 e, nibbles; weight = 2^(e - 127) * a 4-bit float, whose table here is doubled.
/// e = 255 is NaN by the OCP specification; of 253 and 254, whose largest weights (6 * 2^126 and
/// more) overflow a float, no sound file has any.
constexpr int kMxBytes = 1 + kBlock / 2;
constexpr int kMxBias = 128, kMxMaxExponent = 252;

bool DecodeMxFp4Row(const uint8_t* bytes, int64_t k, int64_t row, QuantTensor* out) {
  const int64_t blocks = k / kBlock;
  uint8_t* codes = out->codes.data() + row * k;
  float* scales = out->scales.data() + row * blocks;
  bool finite = true;
  for (int64_t b = 0; b < blocks; ++b, bytes += kMxBytes) {
    finite &= bytes[0] <= kMxMaxExponent;
    scales[b] = std::ldexp(1.0f, bytes[0] - kMxBias);
    UnpackNibbles(bytes + 1, codes + b * kBlock);
  }
  return finite;
}

void PackMxFp4Row(const QuantTensor& rows, int64_t row, uint8_t* bytes) {
  const int64_t blocks = rows.cols / kBlock;
  for (int64_t b = 0; b < blocks; ++b, bytes += kMxBytes) {
    bytes[0] = static_cast<uint8_t>(std::ilogb(rows.scales[row * blocks + b]) + kMxBias);
    PackNibbles(rows.codes.data() + row * rows.cols + b * kBlock, bytes + 1);
  }
}

}  // namespace

constinit const GgufScheme kQ4_0Scheme = NibbleBlock<4, false>::Scheme(2, "Q4_0", kQ4_0, 2);
constinit const GgufScheme kQ4_1Scheme = NibbleBlock<4, true>::Scheme(3, "Q4_1", kQ4_1, 3);
constinit const GgufScheme kQ5_0Scheme = NibbleBlock<5, false>::Scheme(6, "Q5_0", kQ5_0, 8);
constinit const GgufScheme kQ5_1Scheme = NibbleBlock<5, true>::Scheme(7, "Q5_1", kQ5_1, 9);
constinit const GgufScheme kIq4NlScheme = NibbleBlock<4, false>::Scheme(20, "IQ4_NL", kIq4Nl, 25);
constinit const GgufScheme kQ8_0Scheme{8,        "Q8_0", kQ8_0,       kBlock,
                                       kQ8Bytes, 7,      DecodeQ8Row, PackQ8Row};
constinit const GgufScheme kMxFp4Scheme{39,       "MXFP4", kMxFp4,         kBlock,
                                        kMxBytes, 38,      DecodeMxFp4Row, PackMxFp4Row};

}  // namespace quantd::gguf
