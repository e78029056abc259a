#ifndef QUANTD_KERNELS_BASE_FLOAT16_H_
#define QUANTD_KERNELS_BASE_FLOAT16_H_

#include <cstdint>

namespace quantd {

/// IEEE 754 binary16 <-> binary32, round to nearest even; NaN stays NaN, overflow becomes infinity.
float HalfToFloat(uint16_t half);
uint16_t FloatToHalf(float value);

/// bfloat16 <-> binary32, round to nearest even; NaN stays NaN.
float BFloat16ToFloat(uint16_t value);
uint16_t FloatToBFloat16(float value);

/// The 8-bit float E4M3 (OCP, "fn": 0x7f and 0xff are NaN, there is no infinity) -> binary32.
float E4M3ToFloat(uint8_t value);
/// Round to nearest even; beyond the largest value, 448, that value; NaN becomes NaN.
uint8_t FloatToE4M3(float value);

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_FLOAT16_H_
