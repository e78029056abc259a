#include "runtime/quantize/scale_rounding.h"

#include <cmath>

#include "gtest/gtest.h"
#include "kernels/base/float16.h"

namespace quantd {
namespace {

TEST(ScaleRounding, HalvesAreNearestAndFinite) {
  for (const ScaleType type : {ScaleType::kF16, ScaleType::kTwoLevel}) {
    EXPECT_EQ(RoundScale(type, 0.1f), HalfToFloat(FloatToHalf(0.1f)));
    EXPECT_EQ(RoundScale(type, -2049.0f), -2048.0f);
    EXPECT_EQ(RoundScale(type, 1e30f), 65504.0f);
    EXPECT_EQ(RoundScale(type, -INFINITY), -65504.0f);
  }
  EXPECT_EQ(RoundScale(ScaleType::kF32, 0.1f), 0.1f);
}

TEST(ScaleRounding, PowersOfTwoAreRoundedUp) {
  EXPECT_EQ(RoundScale(ScaleType::kE8M0, 1.0f), 1.0f);
  EXPECT_EQ(RoundScale(ScaleType::kE8M0, 1.001f), 2.0f);
  EXPECT_EQ(RoundScale(ScaleType::kE8M0, 0.3f), 0.5f);
  EXPECT_EQ(RoundScale(ScaleType::kE8M0, 0.0f), 0x1p-126f);
  EXPECT_EQ(RoundScale(ScaleType::kE8M0, 1e-42f), 0x1p-126f);
  EXPECT_TRUE(std::isfinite(12 * RoundScale(ScaleType::kE8M0, 3e38f)));
}

TEST(ScaleRounding, TheInverseIsFinite) {
  EXPECT_EQ(InverseScale(-4), -0.25f);
  EXPECT_EQ(InverseScale(0), 0);
  EXPECT_EQ(InverseScale(1e-40f), 0);
  EXPECT_TRUE(std::isfinite(InverseScale(1.2e-38f)));
}

}  // namespace
}  // namespace quantd
