#include "kernels/base/float16.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace quantd {
namespace {

// The value of a half from its definition: (-1)^s * 2^(e-15) * (1 + m/1024).
double HalfValue(uint16_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

TEST(Float16, EveryHalfHasItsValueAndComesBack) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float value = HalfToFloat(static_cast<uint16_t>(half));
    if ((half & 0x7c00) == 0x7c00) {
      EXPECT_EQ(std::isnan(value), (half & 0x3ff) != 0);
      EXPECT_EQ(std::signbit(value), (half & 0x8000) != 0);
    } else {
      ASSERT_EQ(value, HalfValue(static_cast<uint16_t>(half)));
    }
    const uint16_t back = FloatToHalf(value);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(HalfToFloat(back)));
    } else {
      ASSERT_EQ(back, half);
    }
  }
}

// Between two neighbours everything rounds to the nearer one, the middle to the even one.
TEST(Float16, RoundsToNearestEvenBetweenAllNeighbours) {
  for (uint16_t half = 0; half < 0x7bff; ++half) {
    const float low = HalfToFloat(half), high = HalfToFloat(half + 1);
    const float middle = low + (high - low) / 2;  // exact: one more bit than a half has
    const uint16_t even = half % 2 == 0 ? half : half + 1;
    ASSERT_EQ(FloatToHalf(middle), even);
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 0.0f)), half);
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 1e9f)), half + 1);
    ASSERT_EQ(FloatToHalf(-middle), even | 0x8000);
  }
}

TEST(Float16, OverflowBecomesInfinity) {
  EXPECT_EQ(FloatToHalf(65504.0f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65519.9f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(FloatToHalf(-1e30f), 0xfc00);
  EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::infinity()), 0x7c00);
}

TEST(BFloat16, RoundsToNearestEven) {
  EXPECT_EQ(BFloat16ToFloat(0x3f80), 1.0f);
  EXPECT_EQ(FloatToBFloat16(1.0f + 0x1p-8f), 0x3f80);  // tie, to even
  EXPECT_EQ(FloatToBFloat16(1.0f + 0x3p-8f), 0x3f82);  // tie, to even
  EXPECT_EQ(FloatToBFloat16(1.0f + 0x1.8p-8f), 0x3f81);
  EXPECT_EQ(FloatToBFloat16(-std::numeric_limits<float>::infinity()), 0xff80);
  EXPECT_EQ(FloatToBFloat16(std::numeric_limits<float>::max()), 0x7f80);
  // A NaN whose set bits all lie in the half that is cut off must not become infinity.
  const float nan = std::bit_cast<float>(0x7f800001u);
  EXPECT_TRUE(std::isnan(BFloat16ToFloat(FloatToBFloat16(nan))));
  for (uint32_t bits = 0; bits < 0x7f80; ++bits) {
    ASSERT_EQ(FloatToBFloat16(BFloat16ToFloat(static_cast<uint16_t>(bits))), bits);
  }
}

TEST(FloatToE4M3, IsTheNearestValueWithTiesToEven) {
  for (int code = 0; code < 256; ++code) {
    const float value = E4M3ToFloat(static_cast<uint8_t>(code));
    EXPECT_EQ(FloatToE4M3(value), code);
    const int magnitude = code & 0x7f;
    if (magnitude >= 0x7e) continue;  // no neighbour further out
    const float next = E4M3ToFloat(static_cast<uint8_t>(code + 1)), middle = (value + next) / 2;
    EXPECT_EQ(FloatToE4M3(middle), code + (code & 1)) << code;
    EXPECT_EQ(FloatToE4M3(std::nextafter(middle, value)), code) << code;
    EXPECT_EQ(FloatToE4M3(std::nextafter(middle, next)), code + 1) << code;
  }
  EXPECT_EQ(FloatToE4M3(1e30f), 0x7e);
  EXPECT_EQ(FloatToE4M3(-INFINITY), 0xfe);
  EXPECT_EQ(FloatToE4M3(NAN) & 0x7f, 0x7f);
}

}  // namespace
}  // namespace quantd
