#include "kernels/base/weight_source.h"

#include "kernels/base/float16.h"

namespace quantd {

void QuantTensor::Resize(const QuantFormat& new_format, int64_t new_rows, int64_t new_cols) {
  format = new_format;
  rows = new_rows;
  cols = new_cols;
  const size_t weights = static_cast<size_t>(rows * cols);
  const bool coded = !format.is_float(), two_level = format.two_level();
  const size_t groups = coded ? static_cast<size_t>(rows * format.groups(cols)) : 0;
  const size_t scale_count = two_level ? weights / kSuperGroup : groups;
  values.resize(coded ? 0 : weights);
  codes.resize(coded ? weights : 0);
  scales.resize(scale_count);
  mins.resize(format.zero == ZeroType::kMin ? scale_count : 0);
  zeros.resize(format.zero == ZeroType::kCode ? groups : 0);
  sub_scales.resize(two_level ? groups : 0);
  sub_mins.resize(two_level && format.zero == ZeroType::kMin ? groups : 0);
}

float QuantTensor::Scale(int64_t row, int64_t group) const {
  const int64_t at = row * format.groups(cols) + group;
  if (!format.two_level()) return scales[at];
  return scales[at * format.group / kSuperGroup] * static_cast<float>(sub_scales[at]);
}

float QuantTensor::Min(int64_t row, int64_t group) const {
  const int64_t at = row * format.groups(cols) + group;
  if (!format.two_level()) return mins[at];
  return mins[at * format.group / kSuperGroup] * static_cast<float>(sub_mins[at]);
}

float QuantTensor::At(int64_t row, int64_t col) const {
  const int64_t index = row * cols + col;
  if (format.is_float()) return values[index];
  const int64_t group = format.group == 0 ? 0 : col / format.group;
  const float scale = Scale(row, group);
  const int code = codes[index];
  if (format.code == CodeType::kTable) return scale * TableValues(format.table)[code];
  if (format.code == CodeType::kF8E4M3) return scale * E4M3ToFloat(codes[index]);
  switch (format.zero) {
    case ZeroType::kMin:
      return scale * static_cast<float>(code) + Min(row, group);
    case ZeroType::kCode:
      return scale * static_cast<float>(code - zeros[row * format.groups(cols) + group]);
    default:
      return scale * static_cast<float>(code - (1 << (format.bits - 1)));
  }
}

}  // namespace quantd
