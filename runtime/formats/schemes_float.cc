// F32, F16, BF16: one number per weight.

#include <algorithm>

#include "kernels/base/float16.h"
#include "runtime/formats/schemes.h"

namespace quantd::gguf {
namespace {

/// Decodes numbers of `Bits` with `convert`; false if the exponent of any is all ones. The test is
/// accumulated, not branched on, so that the loop becomes vector code.
template <typename Bits, Bits kExponent, typename Convert>
bool DecodeFloats(const uint8_t* bytes, int64_t k, float* values, Convert convert) {
  uint32_t bad = 0;
  for (int64_t i = 0; i < k; ++i) {
    Bits stored;
    std::memcpy(&stored, bytes + i * sizeof(Bits), sizeof(Bits));
    bad |= (stored & kExponent) == kExponent;
    values[i] = convert(stored);
  }
  return bad == 0;
}

bool DecodeF32(const uint8_t* bytes, int64_t k, int64_t row, QuantTensor* out) {
  return DecodeFloats<uint32_t, 0x7f800000>(
      bytes, k, out->values.data() + row * k,
      [](uint32_t bits) { return std::bit_cast<float>(bits); });
}

bool DecodeF16(const uint8_t* bytes, int64_t k, int64_t row, QuantTensor* out) {
  return DecodeFloats<uint16_t, 0x7c00>(bytes, k, out->values.data() + row * k, FiniteHalfToFloat);
}

bool DecodeBF16(const uint8_t* bytes, int64_t k, int64_t row, QuantTensor* out) {
  return DecodeFloats<uint16_t, 0x7f80>(bytes, k, out->values.data() + row * k, [](uint16_t bits) {
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  });
}

void EncodeF32(const float* weights, int64_t k, uint8_t* bytes) {
  std::memcpy(bytes, weights, static_cast<size_t>(k) * sizeof(float));
}

template <uint16_t (*kConvert)(float)>
void EncodeU16(const float* weights, int64_t k, uint8_t* bytes) {
  for (int64_t i = 0; i < k; ++i) {
    const uint16_t stored = kConvert(weights[i]);
    std::memcpy(bytes + 2 * i, &stored, sizeof(stored));
  }
}

}  // namespace

constinit const GgufScheme kF32Scheme{0, "F32", kF32, 1, 4, DecodeF32, EncodeF32};
constinit const GgufScheme kF16Scheme{1, "F16", kF16, 1, 2, DecodeF16, EncodeU16<FloatToHalf>};
constinit const GgufScheme kBF16Scheme{
    30, "BF16", kBF16, 1, 2, DecodeBF16, EncodeU16<FloatToBFloat16>};

}  // namespace quantd::gguf
