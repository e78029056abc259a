#ifndef QUANTD_TESTS_RUNTIME_FORMATS_SCHEME_DEFINITIONS_H_
#define QUANTD_TESTS_RUNTIME_FORMATS_SCHEME_DEFINITIONS_H_

// The tensor types as their description says, independent of the decoders: one weight at a time, in
// double, straight from the bytes of a block.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quantd::definition {

/// Value of a half by the definition of the interchange format.
inline double Half(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double sign = bits >> 15 ? -1 : 1;
  if (exponent == 31) return fraction ? std::nan("") : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

inline double HalfAt(const uint8_t* bytes) { return Half(bytes[0] | bytes[1] << 8); }

inline int Nibble(const uint8_t* bytes, int i) {  // i < 16: low nibbles; then the high ones
  return i < 16 ? bytes[i] % 16 : bytes[i - 16] / 16;
}

inline int Bit(const uint8_t* bytes, int i) { return bytes[i / 8] >> i % 8 & 1; }

/// Bits of Q2_K and Q3_K: 32 bytes per 128 weights, shifted by 0, 2, 4, 6.
inline int TwoBits(const uint8_t* qs, int i) {
  return qs[i / 128 * 32 + i % 32] >> 2 * (i % 128 / 32) & 3;
}

/// Nibbles of Q4_K and Q5_K: per 64 weights 32 low ones, then 32 high ones.
inline int KNibble(const uint8_t* qs, int i) {
  const uint8_t byte = qs[i / 64 * 32 + i % 32];
  return i % 64 < 32 ? byte & 15 : byte >> 4;
}

inline int Q6Code(const uint8_t* block, int i) {
  const int half = i / 128, l = i % 32, part = i / 32 % 4;
  const uint8_t* ql = block + 64 * half;
  const int two = block[128 + 32 * half + l] >> 2 * part & 3;
  const int four = part == 0   ? ql[l] & 15
                   : part == 1 ? ql[l + 32] & 15
                   : part == 2 ? ql[l] >> 4
                               : ql[l + 32] >> 4;
  return two * 16 + four;
}

/// Six-bit scale and min j of Q4_K and Q5_K.
inline int K4Scale(const uint8_t* q, int j) {
  return j < 4 ? q[j] & 63 : (q[j + 4] & 15) | (q[j - 4] >> 6) << 4;
}
inline int K4Min(const uint8_t* q, int j) {
  return j < 4 ? q[j + 4] & 63 : q[j + 4] >> 4 | (q[j] >> 6) << 4;
}

inline int Q3Scale(const uint8_t* q, int j) {
  const int low = j < 8 ? q[j] & 15 : q[j - 8] >> 4;
  return (low | (q[8 + j % 4] >> 2 * (j / 4) & 3) << 4) - 32;
}

inline int Iq4XsScale(const uint8_t* block, int j) {
  const int high = (block[2] | block[3] << 8) >> 2 * j & 3;
  return ((block[4 + j / 2] >> 4 * (j % 2) & 15) | high << 4) - 32;
}

inline double Iq4Value(int code) {
  constexpr int kValues[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                             1,    13,   25,  38,  53,  69,  89,  113};
  return kValues[code];
}

/// The 4-bit float E2M1: sign, two bits of exponent (bias 1), one of fraction.
inline double E2M1(int code) {
  const int exponent = code >> 1 & 3, fraction = code & 1;
  const double magnitude = exponent == 0 ? 0.5 * fraction : std::ldexp(2 + fraction, exponent - 2);
  return code & 8 ? -magnitude : magnitude;
}

inline double FloatTypeWeight(const std::string& type, const uint8_t* block) {
  if (type == "F16") return HalfAt(block);
  uint32_t bits = static_cast<uint32_t>(block[0] | block[1] << 8) << 16;
  if (type == "F32") std::memcpy(&bits, block, 4);
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

/// Weight i of one block of the named type with 256 weights per block.
inline double LargeBlockWeight(const std::string& type, const uint8_t* block, int i) {
  if (type == "Q2_K") {
    const int scale = block[i / 16] & 15, min = block[i / 16] >> 4;
    return HalfAt(block + 80) * scale * TwoBits(block + 16, i) - HalfAt(block + 82) * min;
  }
  if (type == "Q3_K") {
    const int high = block[i % 32] >> i / 32 & 1;
    return HalfAt(block + 108) * Q3Scale(block + 96, i / 16) *
           (TwoBits(block + 32, i) - (high ? 0 : 4));
  }
  if (type == "Q4_K" || type == "Q5_K") {
    const bool five = type == "Q5_K";
    const int high = five ? block[16 + i % 32] >> i / 32 & 1 : 0;
    const int code = KNibble(block + (five ? 48 : 16), i) + 16 * high;
    return HalfAt(block) * K4Scale(block + 4, i / 32) * code -
           HalfAt(block + 2) * K4Min(block + 4, i / 32);
  }
  if (type == "Q6_K") {
    const int scale = static_cast<int8_t>(block[192 + i / 16]);
    return HalfAt(block + 208) * scale * (Q6Code(block, i) - 32);
  }
  if (type == "IQ4_XS") {
    return HalfAt(block) * Iq4XsScale(block, i / 32) *
           Iq4Value(Nibble(block + 8 + i / 32 * 16, i % 32));
  }
  ADD_FAILURE() << "no independent decoder for " << type;
  return 0;
}

/// Weight i of one block of the named type.
inline double Weight(const std::string& type, const uint8_t* block, int i) {
  if (type == "F32" || type == "F16" || type == "BF16") return FloatTypeWeight(type, block);
  const double d = HalfAt(block);
  if (type == "Q8_0") return d * static_cast<int8_t>(block[2 + i]);
  if (type == "Q4_0") return d * (Nibble(block + 2, i) - 8);
  if (type == "Q4_1") return d * Nibble(block + 4, i) + HalfAt(block + 2);
  if (type == "Q5_0") return d * (Nibble(block + 6, i) + 16 * Bit(block + 2, i) - 16);
  if (type == "Q5_1") {
    return d * (Nibble(block + 8, i) + 16 * Bit(block + 4, i)) + HalfAt(block + 2);
  }
  if (type == "IQ4_NL") return d * Iq4Value(Nibble(block + 2, i));
  if (type == "MXFP4") return std::ldexp(E2M1(Nibble(block + 1, i)), block[0] - 127);
  return LargeBlockWeight(type, block, i);
}

/// Where a block holds the halves that are scales and minimums.
inline std::vector<int> HalfOffsets(const std::string& type) {
  if (type == "F32" || type == "BF16" || type == "MXFP4") return {};
  if (type == "Q4_1" || type == "Q5_1" || type == "Q4_K" || type == "Q5_K") return {0, 2};
  if (type == "Q2_K") return {80, 82};
  if (type == "Q3_K") return {108};
  return {type == "Q6_K" ? 208 : 0};
}

}  // namespace quantd::definition

#endif  // QUANTD_TESTS_RUNTIME_FORMATS_SCHEME_DEFINITIONS_H_
