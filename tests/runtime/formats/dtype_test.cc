#include "runtime/formats/dtype.h"

#include <map>
#include <string>

#include "gtest/gtest.h"

namespace quantd {
namespace {

TEST(Dtype, NamesAndSizesAreThoseOfTheFormat) {
  const std::map<std::string, int> bits = {
      {"BOOL", 8},    {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},          {"I8", 8},
      {"F8_E5M2", 8}, {"F32", 32}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"I16", 16},
      {"U16", 16},    {"F16", 16}, {"BF16", 16},   {"I32", 32},    {"F8_E5M2FNUZ", 8}, {"U32", 32},
      {"C64", 64},    {"F64", 64}, {"I64", 64},    {"U64", 64}};
  EXPECT_EQ(bits.size(), static_cast<size_t>(Dtype::kU64) + 1);
  for (const auto& [name, expected] : bits) {
    const std::optional<Dtype> dtype = FindDtype(name);
    ASSERT_TRUE(dtype.has_value()) << name;
    EXPECT_EQ(DtypeName(*dtype), name);
    EXPECT_EQ(DtypeBits(*dtype), expected) << name;
  }
  EXPECT_EQ(FindDtype("BF16"), Dtype::kBF16);
  EXPECT_EQ(FindDtype("F8_E4M3"), Dtype::kF8E4M3);
  for (const char* unknown : {"", "f32", "F128", "BF16 "}) EXPECT_FALSE(FindDtype(unknown));
}

}  // namespace
}  // namespace quantd
