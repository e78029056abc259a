#include "runtime/quantize/row_floats.h"

#include <memory>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace quantd {
namespace {

/// Rows with arbitrary contents, finite throughout.
QuantTensor RandomRows(const QuantFormat& format, int64_t rows, int64_t cols) {
  std::mt19937 random(17);
  std::uniform_real_distribution<float> uniform(-2, 2);
  QuantTensor tensor;
  tensor.Resize(format, rows, cols);
  for (auto* floats : {&tensor.values, &tensor.scales, &tensor.mins}) {
    for (float& value : *floats) value = uniform(random);
  }
  // Of a float of 8 bits, codes 0x7f and 0xff are no numbers.
  const uint64_t mask = format.code == CodeType::kF8E4M3 ? 0xbf : (uint64_t{1} << format.bits) - 1;
  for (uint8_t& code : tensor.codes) code = static_cast<uint8_t>(random() & mask);
  for (uint8_t& zero : tensor.zeros) zero = static_cast<uint8_t>(random() & 15);
  for (int8_t& scale : tensor.sub_scales) scale = static_cast<int8_t>(random());
  for (uint8_t& min : tensor.sub_mins) min = static_cast<uint8_t>(random());
  return tensor;
}

/// Hands out its rows; the column order is not the natural one.
class FixedSource : public WeightSource {
 public:
  explicit FixedSource(QuantTensor tensor) : tensor_(std::move(tensor)) {
    for (int32_t c = 0; c < tensor_.cols; ++c) order_.push_back(c ^ 1);
  }
  const QuantFormat& format() const override { return tensor_.format; }
  int64_t rows() const override { return tensor_.rows; }
  int64_t cols() const override { return tensor_.cols; }
  absl::Span<const int32_t> k_order() const override { return order_; }
  absl::Status Decode(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    if (row_begin != 0 || row_count != rows()) return absl::DataLossError("corrupt");
    *out = tensor_;
    return absl::OkStatus();
  }

 private:
  QuantTensor tensor_;
  std::vector<int32_t> order_;
};

std::vector<QuantFormat> Formats() {
  return {kF32,
          kBF16,
          kQ8_0,
          kQ4_1,
          kQ2_K,
          kQ3_K,
          kQ4_K,
          kQ6_K,
          kIq4Nl,
          kIq4Xs,
          kMxFp4,
          kNf4,
          kFp4,
          kFp8,
          kInt8,
          AffineFormat(3, 32, ZeroType::kCode),
          AffineFormat(4, 0, ZeroType::kCode)};
}

TEST(RowFloats, AreTheWeightsToTheBit) {
  for (const QuantFormat& format : Formats()) {
    const QuantTensor tensor = RandomRows(format, 3, 512);
    std::vector<float> row(512);
    for (int64_t r = 0; r < 3; ++r) {
      RowFloats(tensor, r, row.data());
      for (int64_t c = 0; c < 512; ++c) ASSERT_EQ(row[c], tensor.At(r, c)) << FormatName(format);
    }
  }
}

TEST(DecodedToFloat, IsTheSameMatrix) {
  for (const QuantFormat& format : Formats()) {
    const QuantTensor tensor = RandomRows(format, 2, 256);
    const auto source = DecodedToFloat(std::make_unique<FixedSource>(tensor));
    EXPECT_EQ(source->format(), kF32);
    EXPECT_EQ(source->rows(), 2);
    EXPECT_EQ(source->cols(), 256);
    EXPECT_EQ(source->k_order()[2], 3);
    QuantTensor floats;
    ASSERT_TRUE(source->Decode(0, 2, &floats).ok());
    EXPECT_EQ(floats.format, kF32);
    for (int64_t c = 0; c < 256; ++c) EXPECT_EQ(floats.At(1, c), tensor.At(1, c));
    EXPECT_EQ(source->Decode(1, 1, &floats).code(), absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace quantd
