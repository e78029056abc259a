#include "runtime/quantize/code_grid.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/base/check.h"

namespace quantd {

CodeGrid::CodeGrid(const QuantFormat& format)
    : e4m3_(format.code == CodeType::kF8E4M3), table_(TableValues(format.table)) {
  if (e4m3_) {
    outermost_ = E4M3ToFloat(0x7e);
    return;
  }
  if (table_.empty()) {
    max_code_ = (1 << format.bits) - 1;
    if (format.zero == ZeroType::kMidpoint) {
      // Of 8-bit codes the one far end is left out, as every other writer of such files does: a
      // step is small enough that symmetry costs nothing.
      min_code_ = format.bits == 8 ? 1 : 0;
      bias_ = static_cast<float>(1 << (format.bits - 1));
    }
    outermost_ = min_code_ == 0 && bias_ > 0 ? -bias_ : Value(max_code_);
    return;
  }
  QUANTD_CHECK(table_.size() == kTableSize, "the bounds are an array of this size");
  max_code_ = kTableSize - 1;
  std::iota(std::begin(sorted_), std::end(sorted_), uint8_t{0});
  std::stable_sort(std::begin(sorted_), std::end(sorted_),
                   [this](uint8_t a, uint8_t b) { return table_[a] < table_[b]; });
  for (int i = 0; i + 1 < kTableSize; ++i) {
    bounds_[i] = (table_[sorted_[i]] + table_[sorted_[i + 1]]) / 2;
  }
  const float lowest = table_[sorted_[0]], highest = table_[sorted_[kTableSize - 1]];
  outermost_ = -lowest > highest ? lowest : highest;
}

void CodeGrid::Nearest(const float* weights, int count, float offset, float inverse,
                       uint8_t* codes) const {
  if (e4m3_) {
    for (int i = 0; i < count; ++i) codes[i] = FloatToE4M3((weights[i] - offset) * inverse);
    return;
  }
  if (table_.empty()) {
    for (int i = 0; i < count; ++i) {
      codes[i] = static_cast<uint8_t>(NearestInteger((weights[i] - offset) * inverse));
    }
    return;
  }
  for (int i = 0; i < count; ++i) {
    codes[i] = sorted_[NearestRank((weights[i] - offset) * inverse)];
  }
}

void CodeGrid::NearestValues(const float* weights, int count, float offset, float inverse,
                             float* values) const {
  if (e4m3_) {
    for (int i = 0; i < count; ++i) {
      values[i] = E4M3ToFloat(FloatToE4M3((weights[i] - offset) * inverse));
    }
    return;
  }
  if (table_.empty()) {
    for (int i = 0; i < count; ++i) {
      values[i] = static_cast<float>(NearestInteger((weights[i] - offset) * inverse)) - bias_;
    }
    return;
  }
  for (int i = 0; i < count; ++i) {
    values[i] = table_[sorted_[NearestRank((weights[i] - offset) * inverse)]];
  }
}

}  // namespace quantd
