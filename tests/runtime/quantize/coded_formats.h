#ifndef QUANTD_TESTS_RUNTIME_QUANTIZE_CODED_FORMATS_H_
#define QUANTD_TESTS_RUNTIME_QUANTIZE_CODED_FORMATS_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/base/quant_format.h"

namespace quantd {

/// Every named format whose weights are codes, and affine ones of every width, with and without
/// zero points.
inline std::vector<QuantFormat> CodedFormats() {
  std::vector<QuantFormat> formats;
  for (const NamedFormat& named : NamedFormats()) {
    if (!named.format.is_float()) formats.push_back(named.format);
  }
  for (const int bits : {2, 3, 4, 8}) {
    for (const ZeroType zero : {ZeroType::kMidpoint, ZeroType::kCode}) {
      formats.push_back(AffineFormat(bits, 128, zero));
    }
  }
  return formats;
}

/// Weights distributed as those of trained models.
inline std::vector<float> BellShaped(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.001f, 0.02f);
  std::vector<float> weights(count);
  for (float& weight : weights) weight = normal(random);
  return weights;
}

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_QUANTIZE_CODED_FORMATS_H_
