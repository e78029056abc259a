#include "runtime/formats/hf_packers.h"

#include <cstring>

#include "kernels/base/check.h"
#include "kernels/base/float16.h"
#include "runtime/formats/hf_packing.h"

namespace quantd::hf {
namespace {

template <typename T>
std::vector<uint8_t> RawBytes(const std::vector<T>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

}  // namespace

float RoundedTo(Dtype dtype, float value) {
  switch (dtype) {
    case Dtype::kF16:
      return HalfToFloat(FloatToHalf(value));
    case Dtype::kBF16:
      return BFloat16ToFloat(FloatToBFloat16(value));
    default:
      return value;
  }
}

std::vector<uint8_t> FloatBytes(absl::Span<const float> values, Dtype dtype) {
  if (dtype == Dtype::kF32) return RawBytes(std::vector<float>(values.begin(), values.end()));
  QUANTD_CHECK(dtype == Dtype::kF16 || dtype == Dtype::kBF16, "floats of ours");
  std::vector<uint16_t> halves;
  halves.reserve(values.size());
  for (const float value : values) {
    halves.push_back(dtype == Dtype::kF16 ? FloatToHalf(value) : FloatToBFloat16(value));
  }
  return RawBytes(halves);
}

std::vector<uint8_t> TransposedHalfScales(const QuantTensor& weights) {
  const int64_t groups = weights.format.groups(weights.cols);
  std::vector<float> scales;
  scales.reserve(weights.scales.size());
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t row = 0; row < weights.rows; ++row) {
      scales.push_back(weights.scales[row * groups + group]);
    }
  }
  return FloatBytes(scales, Dtype::kF16);
}

void WordWriter::Put(int64_t stream, int64_t index, uint32_t code) {
  const CodePlace place(index, bits_);
  const int64_t at = stream * stream_step_ + place.word * word_step_;
  words_[at] |= code << place.shift;
  if (place.straddles()) words_[at + word_step_] |= code >> (32 - place.shift);
}

std::vector<uint8_t> WordWriter::Bytes() const { return RawBytes(words_); }

}  // namespace quantd::hf
