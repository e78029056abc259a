#include "runtime/formats/hf_packing.h"

#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/formats/hf_model_builder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// `codes` as one stream of bits, lowest first, in words.
std::vector<uint32_t> Pack(const std::vector<uint8_t>& codes, int bits) {
  std::vector<uint32_t> words((codes.size() * bits + 31) / 32);
  for (size_t i = 0; i < codes.size() * bits; ++i) {
    const uint32_t bit = codes[i / bits] >> i % bits & 1;
    words[i / 32] |= bit << i % 32;
  }
  return words;
}

TEST(PackedCodes, ReadsStreamsOfEveryWidthAlongBothDimensions) {
  std::mt19937 random(3);
  for (const int bits : {2, 3, 4, 8}) {
    std::vector<uint8_t> codes(96);
    for (uint8_t& code : codes) code = random() & ((1 << bits) - 1);
    const std::vector<uint32_t> words = Pack(codes, bits);
    ASSERT_EQ(static_cast<int64_t>(words.size()), PackedWords(codes.size(), bits));
    // The stream is column 1 of 2, and row 1 of 2.
    std::vector<uint32_t> columns, rows(words.size(), 0xffffffff);
    for (const uint32_t word : words) columns.insert(columns.end(), {0, word});
    rows.insert(rows.end(), words.begin(), words.end());
    const int64_t length = static_cast<int64_t>(words.size());
    const auto model = HfModelBuilder()
                           .Set("columns", "I32", {length, 2}, columns)
                           .Set("rows", "I32", {2, length}, rows)
                           .Build();
    const PackedCodes down(*model->tensors->FindTensor("columns"), bits, PackedCodes::Along::kRows);
    const PackedCodes across(*model->tensors->FindTensor("rows"), bits,
                             PackedCodes::Along::kColumns);
    for (size_t i = 0; i < codes.size(); ++i) {
      ASSERT_EQ(down.At(1, i), codes[i]) << bits << " bits, code " << i;
      ASSERT_EQ(across.At(1, i), codes[i]) << bits << " bits, code " << i;
      ASSERT_EQ(down.At(0, i), 0) << bits << " bits, code " << i;
      ASSERT_EQ(across.At(0, i), (1 << bits) - 1) << bits << " bits, code " << i;
    }
  }
}

TEST(PackedWords, RoundsUp) {
  EXPECT_EQ(PackedWords(8, 4), 1);
  EXPECT_EQ(PackedWords(9, 4), 2);
  EXPECT_EQ(PackedWords(32, 3), 3);
  EXPECT_EQ(PackedWords(11, 3), 2);
}

absl::StatusOr<std::vector<int32_t>> Order(const std::vector<int32_t>& groups, int64_t count) {
  const auto model =
      HfModelBuilder().Set("g", "I32", {static_cast<int64_t>(groups.size())}, groups).Build();
  return ReadKOrder(*model->tensors->FindTensor("g"), count);
}

TEST(ReadKOrder, SortsFeaturesByGroupKeepingTheirOrder) {
  const auto order = Order({1, 0, 2, 0, 1, 2}, 3);
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_THAT(*order, ElementsAre(1, 3, 0, 4, 2, 5));
  EXPECT_THAT(ColumnsOf(*order, 6), ElementsAre(2, 0, 4, 1, 3, 5));
}

TEST(ReadKOrder, IsEmptyWhenNothingIsScattered) {
  EXPECT_THAT(*Order({0, 0, 1, 1}, 2), IsEmpty());
  EXPECT_THAT(*Order({0, 0, 0}, 1), IsEmpty());
  EXPECT_THAT(ColumnsOf({}, 3), ElementsAre(0, 1, 2));
}

TEST(ReadKOrder, RefusesGroupsThatAreNoneOrUneven) {
  const std::vector<std::pair<std::vector<int32_t>, std::string>> cases = {
      {{0, 2, 1, 1}, "feature 1 is in group 2 of 2"},
      {{0, -1, 1, 1}, "feature 1 is in group -1 of 2"},
      {{0, 0, 0, 1}, "group 0 has more than the 2 features of an equal share"},
  };
  for (const auto& [groups, message] : cases) {
    const absl::Status status = Order(groups, 2).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("memory.safetensors: tensor g: " + message));
  }
}

}  // namespace
}  // namespace quantd
