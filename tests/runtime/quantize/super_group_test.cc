#include "runtime/quantize/super_group.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/base/float16.h"

namespace quantd {
namespace {

TEST(SuperGroup, SubScalesAreThoseOfTheTypes) {
  const auto expect = [](const QuantFormat& format, int low, int high) {
    EXPECT_EQ(SubScales(format).low, low) << FormatName(format);
    EXPECT_EQ(SubScales(format).high, high) << FormatName(format);
  };
  expect(kQ2_K, 0, 15);
  expect(kQ3_K, -32, 31);
  expect(kQ4_K, 0, 63);
  expect(kQ5_K, 0, 63);
  expect(kQ6_K, -128, 127);
  expect(kIq4Xs, -32, 31);
}

/// Every scale is as near to the wanted one as the lower level's steps allow.
TEST(SuperGroup, RoundsToTheNearestSubScale) {
  for (const QuantFormat& format : {kQ2_K, kQ3_K, kQ4_K, kQ6_K, kIq4Xs}) {
    const int groups = kSuperGroup / format.group;
    const bool has_min = format.zero == ZeroType::kMin;
    std::vector<GroupFit> fits;
    for (int g = 0; g < groups; ++g) {
      const float sign = !has_min && g % 2 == 1 ? -1.0f : 1.0f;
      fits.push_back({sign * 0.01f * (g + 1), has_min ? -0.003f * (g % 5) : 0});
    }
    const SuperGroup rounded = RoundSuperGroup(format, fits);
    EXPECT_EQ(HalfToFloat(FloatToHalf(rounded.scale)), rounded.scale);
    EXPECT_EQ(HalfToFloat(FloatToHalf(rounded.min)), rounded.min);
    for (int g = 0; g < groups; ++g) {
      EXPECT_NEAR(rounded.Group(g).scale, fits[g].scale, 0.501 * std::fabs(rounded.scale) + 1e-4)
          << FormatName(format) << " " << g;
      EXPECT_NEAR(rounded.Group(g).min, fits[g].min, 0.501 * std::fabs(rounded.min) + 1e-5);
    }
  }
}

TEST(SuperGroup, StoresIntoItsPlace) {
  QuantTensor rows;
  rows.Resize(kQ4_K, 1, 512);
  SuperGroup group;
  group.scale = 2;
  group.min = -3;
  for (int g = 0; g < 8; ++g) {
    group.sub_scales[g] = g;
    group.sub_mins[g] = 2 * g;
  }
  group.Store(1, 8, &rows);
  EXPECT_EQ(rows.Scale(0, 8 + 5), 10);
  EXPECT_EQ(rows.Min(0, 8 + 5), -30);
}

}  // namespace
}  // namespace quantd
