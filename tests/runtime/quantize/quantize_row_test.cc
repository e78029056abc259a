#include "runtime/quantize/quantize_row.h"

#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/base/float16.h"

namespace quantd {
namespace {

std::vector<QuantFormat> Formats() {
  std::vector<QuantFormat> formats = {kQ8_0, kQ4_0, kQ4_1,  kQ5_0,  kQ5_1,  kQ2_K, kQ3_K, kQ4_K,
                                      kQ5_K, kQ6_K, kIq4Nl, kIq4Xs, kMxFp4, kNf4,  kFp4,  kInt8};
  formats.push_back(AffineFormat(4, 128, ZeroType::kMidpoint));
  return formats;
}

std::vector<float> BellShaped(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> weights(count);
  for (float& weight : weights) weight = normal(random);
  return weights;
}

TEST(QuantizeRow, EveryWeightHasTheNearestCodeOfItsGroup) {
  constexpr int64_t kCols = 512;
  for (const QuantFormat& format : Formats()) {
    const std::vector<float> weights = BellShaped(kCols, 3);
    QuantTensor rows;
    rows.Resize(format, 2, kCols);
    for (int64_t row = 0; row < 2; ++row) QuantizeRow(weights.data(), row, &rows);
    QuantTensor other = rows;
    const int levels = 1 << format.bits;
    for (int64_t col = 0; col < kCols; ++col) {
      EXPECT_EQ(rows.At(1, col), rows.At(0, col));
      double best = INFINITY;
      for (int code = format.bits == 8 ? 1 : 0; code < levels; ++code) {
        other.codes[kCols + col] = static_cast<uint8_t>(code);
        best = std::min(best, std::fabs(double{other.At(1, col)} - weights[col]));
      }
      ASSERT_NEAR(std::fabs(rows.At(1, col) - weights[col]), best, 1e-7)
          << FormatName(format) << " " << col;
    }
  }
}

TEST(QuantizeRow, ScalesAreExactInTheirType) {
  for (const QuantFormat& format : Formats()) {
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

TEST(QuantizeRow, FloatsAreCopied) {
  const std::vector<float> weights = {1.5f, -2, 3};
  QuantTensor rows;
  rows.Resize(kF16, 2, 3);
  QuantizeRow(weights.data(), 1, &rows);
  EXPECT_EQ(rows.At(1, 1), -2);
}

TEST(QuantizeRow, KnowsWhatItCannotDo) {
  EXPECT_FALSE(CanQuantize(kFp8));
  EXPECT_FALSE(CanQuantize(AffineFormat(4, 128, ZeroType::kCode)));
  EXPECT_TRUE(CanQuantize(kQ4_K));
}

}  // namespace
}  // namespace quantd
