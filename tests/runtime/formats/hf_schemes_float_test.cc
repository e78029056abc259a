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

TEST(HfFloat, ReadsEveryFloatTypeOfAnyShape) {
  const auto model =
      HfModelBuilder()
          .Set("a.weight", "F32", {2, 2}, std::vector<float>{1, 2, 3, 4})
          .Set("b.weight", "F16", {2}, std::vector<uint16_t>{FloatToHalf(0.5f), FloatToHalf(-8)})
          .Set("c.weight", "BF16", {2, 1, 1}, std::vector<uint16_t>{0x3f80, 0xc000})
          .Set("d", "F32", {}, std::vector<float>{7})
          .Build();
  const auto open = [&](const char* name) { return std::move(*OpenHfWeight(model->Module(name))); };
  const HfWeight a = open("a"), b = open("b"), c = open("c");
  EXPECT_EQ(a.source->format(), kF32);
  EXPECT_EQ(a.source->rows(), 2);
  QuantTensor rows;
  ASSERT_TRUE(a.source->Decode(1, 1, &rows).ok());
  EXPECT_THAT(rows.values, ElementsAre(3, 4));
  EXPECT_EQ(b.source->format(), kF16);
  EXPECT_EQ(b.source->rows(), 1);
  EXPECT_THAT(AllWeights(*b.source), ElementsAre(0.5f, -8.0f));
  EXPECT_EQ(c.source->format(), kBF16);
  EXPECT_EQ(c.source->rows(), 2);
  EXPECT_THAT(AllWeights(*c.source), ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(*ReadFloats(*model->tensors->FindTensor("c.weight")), ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(*ReadFloats(*model->tensors->FindTensor("d")), ElementsAre(7.0f));
}

TEST(HfFloat, RefusesWhatIsNoFloatOrNotFinite) {
  const auto model = HfModelBuilder()
                         .Set("i", "I32", {1}, std::vector<int32_t>{1})
                         .Set("n", "F32", {2, 1}, std::vector<float>{1, NAN})
                         .Set("e", "F32", {0, 4}, std::string())
                         .Build();
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"i", "expected type F32 or F16 or BF16, found I32"},
      {"n", "row 1 holds a weight that is NaN or infinite"},
      {"e", "holds no weights"},
  };
  for (const auto& [name, message] : cases) {
    const absl::Status status = ReadFloats(*model->tensors->FindTensor(name)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("memory.safetensors: tensor " + name + ": " + message));
  }
}

}  // namespace
}  // namespace quantd
