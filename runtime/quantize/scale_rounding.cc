#include "runtime/quantize/scale_rounding.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/base/float16.h"

namespace quantd {
namespace {

constexpr float kMaxHalf = 65504.0f;

/// Exponents of powers of two as scales. They reach neither numbers whose inverse overflows nor
/// such that a weight would.
constexpr int kMinExponent = -126, kMaxExponent = 124;

float RoundToPowerOfTwo(float value) {
  if (value <= 0) return std::ldexp(1.0f, kMinExponent);
  int exponent;
  const float fraction = std::frexp(value, &exponent);  // value = fraction * 2^exponent
  return std::ldexp(
      1.0f, std::clamp(fraction == 0.5f ? exponent - 1 : exponent, kMinExponent, kMaxExponent));
}

}  // namespace

float RoundScale(ScaleType type, float value) {
  switch (type) {
    case ScaleType::kF16:
    case ScaleType::kTwoLevel:
      return HalfToFloat(FloatToHalf(std::clamp(value, -kMaxHalf, kMaxHalf)));
    case ScaleType::kE8M0:
      return RoundToPowerOfTwo(value);
    case ScaleType::kF32:
    case ScaleType::kNone:
      break;
  }
  return value;
}

float InverseScale(float scale) {
  return std::fabs(scale) < std::numeric_limits<float>::min() ? 0 : 1 / scale;
}

}  // namespace quantd
