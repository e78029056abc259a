#ifndef QUANTD_KERNELS_BASE_NOISE_H_
#define QUANTD_KERNELS_BASE_NOISE_H_

#include <cstdint>
#include <vector>

namespace quantd {

/// Inputs of the self-checks: a linear congruential generator, so that every machine and every
/// standard library checks with the same numbers. Not thread-safe.
class Noise {
 public:
  /// 24 bits.
  uint32_t Bits() { return state_ = state_ * 1664525u + 1013904223u, state_ >> 8; }
  /// In [-1, 1).
  float Uniform() { return static_cast<float>(Bits()) * 0x1p-23f - 1.0f; }
  /// `n` values in [-range, range).
  std::vector<float> Uniform(int64_t n, float range) {
    std::vector<float> values(n);
    for (float& value : values) value = Uniform() * range;
    return values;
  }

 private:
  uint32_t state_ = 12345;
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_NOISE_H_
