#include "server/cli/gguf_values.h"

#include <vector>

#include "gtest/gtest.h"

namespace quantd {
namespace {

TEST(GgufValues, ScalarsPrintAsTheyWereWritten) {
  EXPECT_EQ(GgufValueText({"k", GgufType::kU32, uint64_t{7}}), "7");
  EXPECT_EQ(GgufValueText({"k", GgufType::kI64, int64_t{-7}}), "-7");
  EXPECT_EQ(GgufValueText({"k", GgufType::kBool, true}), "true");
  EXPECT_EQ(GgufValueText({"k", GgufType::kF32, static_cast<double>(1e-5f)}), "1e-05");
  EXPECT_EQ(GgufValueText({"k", GgufType::kU64, UINT64_MAX}), "18446744073709551615");
}

TEST(GgufValues, StringsAreCutBetweenCharacters) {
  EXPECT_EQ(GgufValueText({"k", GgufType::kString, absl::string_view("a\nb")}), "\"a\\nb\"");
  std::string text(79, 'a');
  for (int i = 0; i < 10; ++i) text += "\xE2\x82\xAC";
  EXPECT_EQ(GgufValueText({"k", GgufType::kString, absl::string_view(text)}),
            "\"" + std::string(79, 'a') + "...\" (109 bytes)");
}

TEST(GgufValues, ArraysShowTheirStart) {
  // Little-endian and, being inside a file, aligned to nothing.
  const std::vector<uint8_t> bytes = {0xFF, 1, 0, 2, 0, 3, 0, 4, 0, 0xFF, 0xFF};
  GgufArray array{GgufType::kI16, 5, bytes.data() + 1, {}};
  EXPECT_EQ(GgufValueText({"k", GgufType::kArray, array}), "5 x i16 [1, 2, 3, 4, ...]");
  array.count = 2;
  EXPECT_EQ(GgufValueText({"k", GgufType::kArray, array}), "2 x i16 [1, 2]");
  array.count = 0;
  EXPECT_EQ(GgufValueText({"k", GgufType::kArray, array}), "0 x i16 []");
  array = {GgufType::kString, 2, nullptr, {"<s>", "\xFF"}};
  EXPECT_EQ(GgufValueText({"k", GgufType::kArray, array}), "2 x string [\"<s>\", \"\\xff\"]");
  EXPECT_EQ(GgufValueType({"k", GgufType::kArray, array}), "array of string");
  array = {GgufType::kArray, 3, nullptr, {}};
  EXPECT_EQ(GgufValueText({"k", GgufType::kArray, array}), "3 x array [, ...]");
}

}  // namespace
}  // namespace quantd
