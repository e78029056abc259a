#include "runtime/convert/calibration.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/model/model_fixture.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using testing::HasSubstr;

class CalibrationTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int32_t i = 0; i < 64; ++i) tokens_.push_back(300 + 37 * i % 900);
    options_.chunk = 32;
  }
  LoadedModel loaded_ = LoadModelOrDie(SourcePath("config/models/shakespeare-6m-f16.gguf"));
  std::vector<int32_t> tokens_;
  ChunkOptions options_;
};

TEST_F(CalibrationTest, IsTheMeanSquareOfEveryInputFeature) {
  const auto importance = MeasureImportance(*loaded_.model, KvType::kF16, tokens_, options_);
  ASSERT_TRUE(importance.ok()) << importance.status();
  EXPECT_FALSE(importance->contains("token_embd.weight")) << "it is only looked up";
  EXPECT_EQ(importance->size(), loaded_.model->Report().size() - 1);

  // The same, from one observer over the two chunks as separate sequences.
  std::vector<double> sums(256, 0.0);
  const std::vector<WeightReport> report = loaded_.model->Report();
  loaded_.model->ObserveInputs([&](const Model::ObservedInput& input) {
    if (report[input.matrix].name != "blk.3.attn_v.weight") return;
    for (int64_t i = 0; i < input.count * input.cols; ++i) {
      sums[i % input.cols] += double{input.rows[i]} * input.rows[i] / 64;
    }
  });
  Sequences sequences(*loaded_.model, KvType::kF16, 2);
  sequences.Step({{0, {tokens_.begin(), tokens_.begin() + 32}}});
  sequences.Step({{1, {tokens_.begin() + 32, tokens_.end()}}});
  loaded_.model->ObserveInputs({});
  const std::vector<float>& measured = importance->at("blk.3.attn_v.weight");
  ASSERT_EQ(measured.size(), sums.size());
  for (size_t c = 0; c < sums.size(); ++c) EXPECT_NEAR(measured[c], sums[c], 1e-5 * sums[c]);
  EXPECT_EQ(importance->at("blk.3.attn_q.weight"), measured);
  EXPECT_EQ(importance->at("blk.0.ffn_down.weight").size(), 768u);
}

TEST_F(CalibrationTest, AShortTextIsRefusedAndTheObserverEnds) {
  tokens_.resize(31);
  const absl::Status status =
      MeasureImportance(*loaded_.model, KvType::kF16, tokens_, options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("fewer than a chunk of 32"));
  // A step after it must not call an observer whose sums are gone.
  Sequences(*loaded_.model, KvType::kF16, 1).Step({{0, {300}}});
}

TEST_F(CalibrationTest, CanBeCancelled) {
  options_.progress = [](int64_t done, int64_t) { return done < 1; };
  EXPECT_EQ(MeasureImportance(*loaded_.model, KvType::kF16, tokens_, options_).status().code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace quantd
