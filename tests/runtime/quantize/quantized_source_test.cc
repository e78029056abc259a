#include "runtime/quantize/quantized_source.h"

#include <algorithm>
#include <memory>

#include "gtest/gtest.h"
#include "kernels/base/noise.h"
#include "runtime/quantize/search_row.h"

namespace quantd {
namespace {

constexpr int64_t kRows = 5, kCols = 512;

/// A float matrix in memory, or one that cannot be read.
class Floats : public WeightSource {
 public:
  explicit Floats(bool broken = false) : broken_(broken) {
    values_.Resize(kF32, kRows, kCols);
    Noise noise;
    for (float& value : values_.values) value = noise.Uniform();
  }
  const QuantFormat& format() const override { return kF32; }
  int64_t rows() const override { return kRows; }
  int64_t cols() const override { return kCols; }
  absl::Status Decode(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    if (broken_) return absl::DataLossError("broken");
    out->Resize(kF32, row_count, kCols);
    const auto first = values_.values.begin() + row_begin * kCols;
    std::copy(first, first + row_count * kCols, out->values.begin());
    return absl::OkStatus();
  }
  const float* row(int64_t i) const { return values_.values.data() + i * kCols; }

 private:
  const bool broken_;
  QuantTensor values_;
};

TEST(QuantizedSource, DecodesWhatSearchRowMakesOfTheRows) {
  const Floats floats;
  for (const QuantFormat& format : {kQ8_0, kQ4_K, kNf4, kInt8, kFp8, kF16}) {
    const auto source = QuantizedTo(format, std::make_unique<Floats>());
    EXPECT_EQ(source->format(), format);
    EXPECT_EQ(source->rows(), kRows);
    EXPECT_EQ(source->cols(), kCols);
    QuantTensor expected, decoded;
    expected.Resize(format, 3, kCols);
    for (int64_t row = 0; row < 3; ++row) SearchRow(floats.row(row + 2), nullptr, row, &expected);
    ASSERT_TRUE(source->Decode(2, 3, &decoded).ok());
    EXPECT_EQ(decoded.codes, expected.codes);
    EXPECT_EQ(decoded.values, expected.values);
    EXPECT_EQ(decoded.scales, expected.scales);
    EXPECT_EQ(decoded.sub_scales, expected.sub_scales);
    EXPECT_EQ(decoded.mins, expected.mins);
  }
}

TEST(QuantizedSource, PassesErrorsOn) {
  const auto source = QuantizedTo(kQ8_0, std::make_unique<Floats>(/*broken=*/true));
  QuantTensor decoded;
  EXPECT_EQ(source->Decode(0, 1, &decoded), absl::DataLossError("broken"));
}

}  // namespace
}  // namespace quantd
