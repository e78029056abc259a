#include "kernels/gemm/noise_tensor.h"

#include <cmath>

#include "kernels/base/float16.h"

namespace quantd {
namespace {

float RoundedToHalf(float value) { return HalfToFloat(FloatToHalf(value)); }

float Value(CodeType code, float value) {
  if (code == CodeType::kF16) return RoundedToHalf(value);
  return code == CodeType::kBF16 ? BFloat16ToFloat(FloatToBFloat16(value)) : value;
}

float Scale(const QuantFormat& format, float unit, Noise* noise) {
  switch (format.scale) {
    case ScaleType::kE8M0:
      return std::ldexp(1.0f, -3 - static_cast<int>(noise->Bits() % 8));
    case ScaleType::kF32:
      return noise->Uniform() * unit;
    default:
      return RoundedToHalf(noise->Uniform() * unit);
  }
}

}  // namespace

QuantTensor NoiseTensor(const QuantFormat& format, int64_t rows, int64_t cols, Noise* noise) {
  QuantTensor t;
  t.Resize(format, rows, cols);
  for (float& value : t.values) value = Value(format.code, noise->Uniform());
  const uint32_t mask = (1u << (format.bits & 15)) - 1;
  for (uint8_t& code : t.codes) {
    code = static_cast<uint8_t>(noise->Bits() & mask);
    // The two NaNs of E4M3 are no weights.
    if (format.code == CodeType::kF8E4M3 && (code & 0x7f) == 0x7f) code ^= 1;
  }
  // Codes reach 2^bits, those of tables 1 or 127, those of E4M3 448.
  const float largest = format.code == CodeType::kF8E4M3  ? 448.0f
                        : format.code == CodeType::kTable ? TableValues(format.table)[15]
                                                          : static_cast<float>(mask);
  const float unit = 1.0f / std::abs(largest) / (format.two_level() ? 32 : 1);
  for (float& scale : t.scales) scale = Scale(format, unit, noise);
  for (float& min : t.mins) min = Scale(format, format.two_level() ? 1.0f / 32 : 1.0f, noise);
  for (uint8_t& zero : t.zeros) zero = static_cast<uint8_t>(noise->Bits() & mask);
  // Q2_K has 4 bits for each, the others 6 and more; scales have a sign where there are no mins.
  const int levels = format == kQ2_K ? 16 : 64;
  const int middle = format.zero == ZeroType::kMin ? 0 : levels / 2;
  for (int8_t& sub : t.sub_scales) sub = static_cast<int8_t>(noise->Bits() % levels - middle);
  for (uint8_t& sub : t.sub_mins) sub = static_cast<uint8_t>(noise->Bits() % levels);
  return t;
}

}  // namespace quantd
