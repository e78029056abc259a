#include "kernels/base/quant_format.h"

#include <gtest/gtest.h>

#include <set>

#include "kernels/base/weight_source.h"

namespace quantd {
namespace {

TEST(QuantFormat, NamesAreUniqueAndFindTheirFormat) {
  std::set<std::string> names;
  for (const NamedFormat& named : NamedFormats()) {
    EXPECT_TRUE(names.insert(named.name).second);
    EXPECT_EQ(FormatName(named.format), named.name);
    ASSERT_NE(FindFormat(named.name), nullptr);
    EXPECT_EQ(FindFormat(named.name)->format, named.format);
  }
  EXPECT_EQ(FindFormat("q4_0")->format, kQ4_0);
  EXPECT_EQ(FindFormat("Q4_9"), nullptr);
}

TEST(QuantFormat, UnnamedFormatsAreDescribed) {
  QuantFormat format = kQ4_0;
  format.group = 128;
  EXPECT_EQ(FormatName(format), "INT4-g128-f16scale");
  format.zero = ZeroType::kMin;
  EXPECT_EQ(FormatName(format), "INT4-g128-min-f16scale");
  EXPECT_EQ(FormatName(AffineFormat(3, 64, ZeroType::kCode)), "INT3-g64-zero");
  EXPECT_EQ(FormatName(AffineFormat(2, 0, ZeroType::kMidpoint)), "INT2-row");
}

TEST(QuantTensor, AtIsTheFormula) {
  QuantTensor t;
  t.Resize(kQ4_0, 2, 64);
  t.codes.assign(128, 8);
  t.scales = {1.0f, 2.0f, 3.0f, 4.0f};
  t.codes[64 + 33] = 15;
  t.codes[0] = 0;
  EXPECT_EQ(t.At(0, 0), -8.0f);
  EXPECT_EQ(t.At(1, 33), 28.0f);
  EXPECT_EQ(t.At(1, 34), 0.0f);
  t.format = kQ4_1;
  t.mins = {-1.0f, -2.0f, -3.0f, 0.5f};
  EXPECT_EQ(t.At(1, 33), 60.5f);
  EXPECT_EQ(t.At(0, 0), -1.0f);
  t.format = AffineFormat(4, 32, ZeroType::kCode);
  t.zeros = {1, 2, 3, 16};
  EXPECT_EQ(t.At(1, 33), -4.0f);
  t.format = kIq4Nl;
  EXPECT_EQ(t.At(1, 33), 4 * 113.0f);
  t.format = kFp8;
  t.codes[64] = 0xc1;  // -2.25
  EXPECT_EQ(t.At(1, 0), 2 * -2.25f);
  QuantTensor f;
  f.Resize(kF32, 1, 2);
  f.values = {1.5f, -2.5f};
  EXPECT_EQ(f.At(0, 1), -2.5f);
}

TEST(QuantTensor, TwoLevelScalesAreMultiplied) {
  QuantTensor t;
  t.Resize(kQ4_K, 2, 512);
  ASSERT_EQ(t.scales.size(), 4u);
  ASSERT_EQ(t.sub_scales.size(), 32u);
  ASSERT_EQ(t.sub_mins.size(), 32u);
  t.codes.assign(1024, 3);
  t.scales = {1.0f, 2.0f, 3.0f, 0.5f};
  t.mins = {-1.0f, -2.0f, -3.0f, -0.25f};
  t.sub_scales[16 + 9] = 7;  // row 1, weights 288 .. 319
  t.sub_mins[16 + 9] = 10;
  EXPECT_EQ(t.At(1, 288), 0.5f * 7 * 3 - 2.5f);
}

}  // namespace
}  // namespace quantd
