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
  EXPECT_EQ(FormatName(format), "int4g128");
  format.zero = ZeroType::kMin;
  EXPECT_EQ(FormatName(format), "int4g128-min");
}

TEST(QuantTensor, AtIsTheFormula) {
  QuantTensor t;
  t.format = kQ4_0;
  t.rows = 2;
  t.cols = 64;
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
  QuantTensor f;
  f.rows = 1;
  f.cols = 2;
  f.values = {1.5f, -2.5f};
  EXPECT_EQ(f.At(0, 1), -2.5f);
}

}  // namespace
}  // namespace quantd
