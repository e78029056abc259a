// F32, F16, BF16: one number per weight.

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

void PackF32(const QuantTensor& rows, int64_t row, uint8_t* bytes) {
  std::memcpy(bytes, rows.values.data() + row * rows.cols,
              static_cast<size_t>(rows.cols) * sizeof(float));
}

template <uint16_t (*kConvert)(float)>
void PackU16(const QuantTensor& rows, int64_t row, uint8_t* bytes) {
  const float* values = rows.values.data() + row * rows.cols;
  for (int64_t i = 0; i < rows.cols; ++i) {
    const uint16_t stored = kConvert(values[i]);
    std::memcpy(bytes + 2 * i, &stored, sizeof(stored));
  }
}

}  // namespace

constinit const GgufScheme kF32Scheme{0, "F32", kF32, 1, 4, 0, DecodeF32, PackF32};
constinit const GgufScheme kF16Scheme{1, "F16", kF16, 1, 2, 1, DecodeF16, PackU16<FloatToHalf>};
constinit const GgufScheme kBF16Scheme{30, "BF16", kBF16,      1,
                                       2,  32,     DecodeBF16, PackU16<FloatToBFloat16>};

}  // namespace quantd::gguf
