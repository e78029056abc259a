#include "runtime/formats/hf_scheme_table.h"

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/formats/hf_model_builder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kGptq[] = R"({"quant_method": "gptq", "bits": 4})";

TEST(HfSchemeTable, NamesAreDistinct) {
  std::set<std::string> names;
  for (const HfScheme& scheme : HfSchemes()) EXPECT_TRUE(names.insert(scheme.name).second);
}

TEST(OpenHfWeight, AModuleOfAQuantizedModelMayBePlain) {
  const auto model =
      HfModelBuilder(kGptq).Set("m.weight", "F32", {1, 2}, std::vector<float>{1, -2}).Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_STREQ(weight->scheme->name, "float");
  EXPECT_EQ(weight->source->format(), kF32);
  EXPECT_THAT(AllWeights(*weight->source), ElementsAre(1, -2));
}

TEST(OpenHfWeight, NamesTheTensorsThatTheSchemeKnows) {
  const auto model = HfModelBuilder(R"({"quant_method": "fp8"})")
                         .Set("m.weight", "F8_E4M3", {1, 2}, std::string("\x38\xb8"))
                         .Set("m.weight_scale", "F32", {}, std::vector<float>{0.5f})
                         .Set("m.input_scale", "F32", {}, std::vector<float>{2})
                         .Set("m.bias", "F32", {1}, std::vector<float>{2})
                         .Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_THAT(AllWeights(*weight->source), ElementsAre(0.5f, -0.5f));
  std::set<std::string> names;
  for (const SafetensorsTensor* tensor : weight->tensors) names.insert(tensor->name);
  EXPECT_THAT(names, ElementsAre("m.input_scale", "m.weight", "m.weight_scale"));
}

TEST(OpenHfWeight, SaysWhatIsMissingOrNotReadable) {
  const absl::Status missing = HfModelBuilder(kGptq).Status();
  EXPECT_EQ(missing, absl::DataLossError("memory.safetensors: tensor m.weight: is missing"));
  const absl::Status plain =
      HfModelBuilder().Set("m.weight", "I16", {1, 1}, std::string(2, '\0')).Status();
  EXPECT_EQ(plain.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(plain.message()),
              HasSubstr("m: no scheme reads a weight of type I16 with the tensors beside it "
                        "(config.json names no quantization)"));
  const absl::Status quantized =
      HfModelBuilder(kGptq).Set("m.weight", "U8", {1, 1}, std::string(1, '\0')).Status();
  EXPECT_THAT(std::string(quantized.message()), HasSubstr("(quant_method is \"gptq\")"));
}

}  // namespace
}  // namespace quantd
