#ifndef QUANTD_RUNTIME_FORMATS_SCHEMES_H_
#define QUANTD_RUNTIME_FORMATS_SCHEMES_H_

#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/base/float16.h"
#include "runtime/formats/scheme_table.h"

// The rows of the scheme table, by family, and what the families share. Layouts are those of the
// GGUF specification; `h` below is an IEEE half, all numbers are little-endian and unaligned.
namespace quantd::gguf {

extern const GgufScheme kF32Scheme, kF16Scheme, kBF16Scheme;     // schemes_float.cc
extern const GgufScheme kQ8_0Scheme, kQ4_0Scheme, kQ4_1Scheme;   // schemes_block.cc
extern const GgufScheme kQ5_0Scheme, kQ5_1Scheme;                // schemes_block.cc
extern const GgufScheme kIq4NlScheme, kMxFp4Scheme;              // schemes_block.cc
extern const GgufScheme kQ2_KScheme, kQ3_KScheme, kQ4_KScheme;   // schemes_k.cc
extern const GgufScheme kQ5_KScheme, kQ6_KScheme, kIq4XsScheme;  // schemes_k.cc

inline uint16_t LoadU16(const uint8_t* bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

/// Stores a number that is exact as a half.
inline void StoreHalf(float value, uint8_t* bytes) {
  const uint16_t half = FloatToHalf(value);
  std::memcpy(bytes, &half, sizeof(half));
}

/// A half's exponent is all ones exactly for infinities and NaNs.
inline bool IsFiniteHalf(uint16_t half) { return (half & 0x7c00) != 0x7c00; }

/// Value of a finite half. Its exponent and fraction are shifted to where a float has them, which
/// leaves the exponent short by the difference of the biases, 127 - 15; the multiplication mends
/// that, for subnormal halves too. Without a branch, so that loops over it become vector code.
inline float FiniteHalfToFloat(uint16_t half) {
  const uint32_t magnitude = static_cast<uint32_t>(half & 0x7fff) << 13;
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const float value = std::bit_cast<float>(magnitude) * 0x1p112f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
}

}  // namespace quantd::gguf

#endif  // QUANTD_RUNTIME_FORMATS_SCHEMES_H_
