#include "runtime/quantize/code_grid.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace quantd {
namespace {

std::vector<QuantFormat> Formats() {
  return {kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ2_K, kQ3_K, kQ6_K, kIq4Nl, kIq4Xs, kMxFp4, kNf4, kFp4};
}

/// Values of all codes that the grid uses, by the definition in weight_source.h.
std::vector<float> Values(const QuantFormat& format) {
  if (format.table != CodeTable::kNone) {
    const auto table = TableValues(format.table);
    return {table.begin(), table.end()};
  }
  std::vector<float> values;
  const int middle = format.zero == ZeroType::kMin ? 0 : 1 << (format.bits - 1);
  for (int code = 0; code < 1 << format.bits; ++code) {
    values.push_back(static_cast<float>(code - middle));
  }
  return values;
}

TEST(CodeGrid, NearestIsTheNearestOfAllValues) {
  for (const QuantFormat& format : Formats()) {
    const CodeGrid grid(format);
    const std::vector<float> values = Values(format);
    for (size_t code = 0; code < values.size(); ++code) {
      EXPECT_EQ(grid.Value(static_cast<uint8_t>(code)), values[code]) << FormatName(format);
    }
    const float reach = 1.2f * std::fabs(grid.outermost());
    for (int step = -500; step <= 500; ++step) {
      const float value = reach * step / 500;
      const float weight = 0.25f * value + 3;
      uint8_t code;
      grid.Nearest(&weight, 1, 3, 4, &code);
      float best = INFINITY;
      for (const float v : values) {
        if (format.bits == 8 && v == -128) continue;  // left out
        best = std::min(best, std::fabs(v - value));
      }
      ASSERT_NEAR(std::fabs(values[code] - value), best, 1e-5f * reach)
          << FormatName(format) << " " << value;
    }
  }
}

TEST(CodeGrid, OutermostIsTheFurtherEnd) {
  EXPECT_EQ(CodeGrid(kQ4_0).outermost(), -8);
  EXPECT_EQ(CodeGrid(kQ8_0).outermost(), 127);
  EXPECT_EQ(CodeGrid(kQ6_K).outermost(), -32);
  EXPECT_EQ(CodeGrid(kQ4_1).outermost(), 15);
  EXPECT_EQ(CodeGrid(kIq4Nl).outermost(), -127);
  EXPECT_EQ(CodeGrid(kMxFp4).outermost(), 12);
  EXPECT_EQ(CodeGrid(kNf4).outermost(), 1);
}

TEST(CodeGrid, AGroupWithoutAScaleIsZero) {
  for (const QuantFormat& format : Formats()) {
    const std::vector<float> weights = {-1e-30f, 0, 1e-30f};
    uint8_t codes[3];
    const CodeGrid grid(format);
    grid.Nearest(weights.data(), 3, 0, 0, codes);
    for (const uint8_t code : codes) EXPECT_EQ(grid.Value(code), Values(format)[codes[1]]);
    if (format.table == CodeTable::kIq4Nl) continue;  // has no zero
    EXPECT_EQ(grid.Value(codes[1]), 0);
  }
}

}  // namespace
}  // namespace quantd
