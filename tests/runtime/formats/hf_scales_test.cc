#include "runtime/formats/hf_scales.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/base/float16.h"
#include "tests/runtime/formats/hf_model_builder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Block = std::optional<std::pair<int64_t, int64_t>>;

TEST(ScaleView, ReadsEveryTypeOfScale) {
  const auto model = HfModelBuilder()
                         .Set("f32", "F32", {2}, std::vector<float>{0, -1.5f})
                         .Set("f16", "F16", {2}, std::vector<uint16_t>{0, FloatToHalf(0.25f)})
                         .Set("bf16", "BF16", {2}, std::vector<uint16_t>{0, FloatToBFloat16(3)})
                         .Set("e8m0", "F8_E8M0", {3}, std::vector<uint8_t>{127, 120, 255})
                         .Build();
  const auto view = [&](const char* name) { return ScaleView(*model->tensors->FindTensor(name)); };
  EXPECT_EQ(view("f32")[1], -1.5f);
  EXPECT_EQ(view("f16")[1], 0.25f);
  EXPECT_EQ(view("bf16")[1], 3.0f);
  EXPECT_EQ(view("e8m0")[0], 1.0f);
  EXPECT_EQ(view("e8m0")[1], 0x1p-7f);
  EXPECT_TRUE(std::isnan(view("e8m0")[2]));
}

/// Scales of 2 rows from row 1 on of a matrix [3, 64], as FP8 would hold them; scale i of the
/// tensor is i + 1.
absl::StatusOr<std::vector<float>> Scales(const std::vector<int64_t>& shape, const Block& block,
                                          int64_t k = 64) {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  std::vector<float> numbers;
  for (int64_t i = 0; i < count; ++i) numbers.push_back(static_cast<float>(i + 1));
  const auto model = HfModelBuilder().Set("s", "F32", shape, numbers).Build();
  const auto grid =
      ScaleGrid::Of(model->Module("m"), *model->tensors->FindTensor("s"), 3, k, block);
  if (!grid.ok()) return grid.status();
  QuantFormat format = kFp8;
  format.group = grid->group();
  QuantTensor rows;
  rows.Resize(format, 2, k);
  const absl::Status status = grid->Fill(1, &rows);
  if (!status.ok()) return status;
  return rows.scales;
}

TEST(ScaleGrid, FindsWhatScalesCoverByTheirShape) {
  EXPECT_THAT(*Scales({}, std::nullopt), ElementsAre(1, 1));
  EXPECT_THAT(*Scales({1}, std::nullopt), ElementsAre(1, 1));
  EXPECT_THAT(*Scales({1, 1}, std::nullopt), ElementsAre(1, 1));
  EXPECT_THAT(*Scales({3}, std::nullopt), ElementsAre(2, 3));
  EXPECT_THAT(*Scales({3, 1}, std::nullopt), ElementsAre(2, 3));
  EXPECT_THAT(*Scales({3, 2}, std::nullopt), ElementsAre(3, 4, 5, 6));
  EXPECT_THAT(*Scales({2, 2}, Block({2, 32})), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(*Scales({1, 4}, Block({128, 16})), ElementsAre(1, 2, 3, 4, 1, 2, 3, 4));
  // Blocks that do not divide the row are cut into parts that do.
  EXPECT_THAT(*Scales({3, 2}, Block({1, 48})), ElementsAre(3, 3, 3, 4, 5, 5, 5, 6));
  EXPECT_THAT(*Scales({1, 1}, Block({128, 128})), ElementsAre(1, 1));
}

TEST(ScaleGrid, RefusesShapesThatFitNoWeight) {
  const std::vector<std::pair<std::vector<int64_t>, Block>> cases = {
      {{2}, std::nullopt},      {{4, 1}, std::nullopt},    {{3, 5}, std::nullopt},
      {{3, 0}, std::nullopt},   {{3, 1, 1}, std::nullopt}, {{2, 3}, Block({2, 32})},
      {{3, 3}, Block({2, 32})},
  };
  for (const auto& [shape, block] : cases) {
    const absl::Status status = Scales(shape, block).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr("tensor s: shape ["));
    EXPECT_THAT(std::string(status.message()), HasSubstr("no scales to a weight of 3 x 64"));
  }
}

TEST(ScaleGrid, RefusesBlocksThatTheCanonicalFormCannotExpress) {
  const absl::Status status = Scales({3, 8}, std::nullopt).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("memory.safetensors: m: scales of 8 weights in rows of 64"));
}

TEST(ScaleGrid, DividesAndRefusesWhatIsNotFinite) {
  const auto model =
      HfModelBuilder().Set("s", "F32", {2}, std::vector<float>{254, INFINITY}).Build();
  const auto grid =
      ScaleGrid::Of(model->Module("m"), *model->tensors->FindTensor("s"), 2, 16, std::nullopt);
  ASSERT_TRUE(grid.ok()) << grid.status();
  QuantTensor rows;
  rows.Resize(kInt8, 1, 16);
  EXPECT_TRUE(grid->Fill(0, &rows, 127).ok());
  EXPECT_THAT(rows.scales, ElementsAre(2));
  const absl::Status status = grid->Fill(1, &rows);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tensor s: holds a scale that is NaN or"));
}

TEST(GroupLength, IsTheLargestPartOfARowWithOneScale) {
  const auto model = HfModelBuilder().Build();
  const HfModule module = model->Module("m");
  EXPECT_EQ(*GroupLength(module, 4096, 128), 128);
  EXPECT_EQ(*GroupLength(module, 128, 128), 128);
  EXPECT_EQ(*GroupLength(module, 4096, -1), 0);
  EXPECT_EQ(*GroupLength(module, 96, 64), 32);
  EXPECT_EQ(*GroupLength(module, 32, 64), 32);
  EXPECT_FALSE(GroupLength(module, 100, 64).ok());
  EXPECT_FALSE(GroupLength(module, 8, 8).ok());
  EXPECT_FALSE(GroupLength(module, 1 << 20, 1 << 20).ok());
}

}  // namespace
}  // namespace quantd
