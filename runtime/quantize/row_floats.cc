#include "runtime/quantize/row_floats.h"

#include <algorithm>
#include <utility>

#include "kernels/base/float16.h"
#include "kernels/base/status_macros.h"

namespace quantd {
namespace {

/// What each code of the format stands for before scaling; zero points of groups come on top.
void FillCodeValues(const QuantFormat& format, float (&values)[256]) {
  const absl::Span<const float> table = TableValues(format.table);
  const int bias = format.zero == ZeroType::kMidpoint ? 1 << (format.bits - 1) : 0;
  for (int code = 0; code < 1 << format.bits; ++code) {
    values[code] = format.code == CodeType::kF8E4M3 ? E4M3ToFloat(static_cast<uint8_t>(code))
                   : table.empty()                  ? static_cast<float>(code - bias)
                                                    : table[code];
  }
}

class FloatSource : public WeightSource {
 public:
  explicit FloatSource(std::unique_ptr<WeightSource> source) : source_(std::move(source)) {}

  const QuantFormat& format() const override { return kF32; }
  int64_t rows() const override { return source_->rows(); }
  int64_t cols() const override { return source_->cols(); }
  absl::Span<const int32_t> k_order() const override { return source_->k_order(); }

  absl::Status Decode(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    QuantTensor coded;
    QUANTD_RETURN_IF_ERROR(source_->Decode(row_begin, row_count, &coded));
    out->Resize(kF32, row_count, cols());
    for (int64_t row = 0; row < row_count; ++row) {
      RowFloats(coded, row, out->values.data() + row * cols());
    }
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<WeightSource> source_;
};

}  // namespace

void RowFloats(const QuantTensor& rows, int64_t row, float* out) {
  const QuantFormat& format = rows.format;
  if (format.is_float()) {
    std::copy_n(rows.values.begin() + row * rows.cols, rows.cols, out);
    return;
  }
  float values[256];
  FillCodeValues(format, values);
  const int64_t groups = format.groups(rows.cols), size = rows.cols / groups;
  const uint8_t* codes = rows.codes.data() + row * rows.cols;
  for (int64_t g = 0; g < groups; ++g, codes += size, out += size) {
    const float scale = rows.Scale(row, g);
    if (format.zero == ZeroType::kMin) {
      const float min = rows.Min(row, g);
      for (int64_t i = 0; i < size; ++i) out[i] = scale * values[codes[i]] + min;
    } else {
      const float zero = format.zero == ZeroType::kCode ? rows.zeros[row * groups + g] : 0;
      for (int64_t i = 0; i < size; ++i) out[i] = scale * (values[codes[i]] - zero);
    }
  }
}

std::unique_ptr<WeightSource> DecodedToFloat(std::unique_ptr<WeightSource> source) {
  if (source->format() == kF32) return source;
  return std::make_unique<FloatSource>(std::move(source));
}

}  // namespace quantd
