#include "runtime/quantize/quantize_row.h"

#include <cmath>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/base/float16.h"
#include "tests/runtime/quantize/coded_formats.h"

namespace quantd {
namespace {

TEST(QuantizeRow, EveryWeightHasTheNearestCodeOfItsGroup) {
  constexpr int64_t kCols = 512;
  for (const QuantFormat& format : CodedFormats()) {
    const std::vector<float> weights = BellShaped(kCols, 3);
    QuantTensor rows;
    rows.Resize(format, 2, kCols);
    for (int64_t row = 0; row < 2; ++row) QuantizeRow(weights.data(), row, &rows);
    QuantTensor other = rows;
    const int levels = 1 << format.bits;
    // The lowest of 8-bit codes around a midpoint is not used.
    const bool spare = format.bits == 8 && format.zero == ZeroType::kMidpoint;
    for (int64_t col = 0; col < kCols; ++col) {
      EXPECT_EQ(rows.At(1, col), rows.At(0, col));
      double best = INFINITY;
      for (int code = spare ? 1 : 0; code < levels; ++code) {
        other.codes[kCols + col] = static_cast<uint8_t>(code);
        best = std::min(best, std::fabs(double{other.At(1, col)} - weights[col]));
      }
      ASSERT_NEAR(std::fabs(rows.At(1, col) - weights[col]), best, 1e-7)
          << FormatName(format) << " " << col;
    }
  }
}

TEST(QuantizeRow, ScalesAreExactInTheirType) {
  for (const QuantFormat& format : CodedFormats()) {
    QuantTensor rows;
    rows.Resize(format, 1, 1024);
    QuantizeRow(BellShaped(1024, 5).data(), 0, &rows);
    if (format.scale == ScaleType::kF32) continue;
    for (const auto* scales : {&rows.scales, &rows.mins}) {
      for (const float scale : *scales) {
        EXPECT_EQ(HalfToFloat(FloatToHalf(scale)), scale) << FormatName(format);
        if (format.scale == ScaleType::kE8M0) {
          int exponent;
          EXPECT_EQ(std::frexp(scale, &exponent), 0.5f);
        }
      }
    }
  }
}

TEST(QuantizeRow, FloatsAreRounded) {
  const std::vector<float> weights = {1.5f, -2, 1.0f + 0x1p-8f + 0x1p-11f};
  for (const auto& [format, rounded] :
       {std::pair(kF32, weights[2]), std::pair(kF16, 0x1.01p0f), std::pair(kBF16, 0x1.02p0f)}) {
    QuantTensor rows;
    rows.Resize(format, 2, 3);
    QuantizeRow(weights.data(), 1, &rows);
    EXPECT_EQ(rows.At(1, 1), -2);
    EXPECT_EQ(rows.At(1, 2), rounded) << FormatName(format);
  }
}

TEST(QuantizeRow, ZeroPointsKeepZeroExact) {
  for (const int bits : {2, 3, 4, 8}) {
    std::vector<float> weights = BellShaped(512, 11);
    weights[5] = weights[300] = 0;
    for (size_t i = 128; i < 256; ++i) weights[i] = std::fabs(weights[i]) + 1;
    QuantTensor rows;
    rows.Resize(AffineFormat(bits, 128, ZeroType::kCode), 1, 512);
    QuantizeRow(weights.data(), 0, &rows);
    EXPECT_EQ(rows.At(0, 5), 0);
    EXPECT_EQ(rows.At(0, 300), 0);
    EXPECT_EQ(rows.zeros[1], 0) << "all weights of the group are positive";
    EXPECT_GT(rows.zeros[0], 0);
  }
}

}  // namespace
}  // namespace quantd
