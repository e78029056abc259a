#include "kernels/base/weight_source.h"

namespace quantd {

float QuantTensor::At(int64_t row, int64_t col) const {
  const int64_t index = row * cols + col;
  if (format.is_float()) return values[index];
  const int64_t group = row * (cols / format.group) + col / format.group;
  const float scale = scales[group];
  const int code = codes[index];
  if (format.zero == ZeroType::kMin) return scale * static_cast<float>(code) + mins[group];
  return scale * static_cast<float>(code - (1 << (format.bits - 1)));
}

}  // namespace quantd
