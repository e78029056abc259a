// Checkpoints written by the libraries that people quantize models with, against what those
// libraries make of them (tests/golden/hf, made by tests/golden/make_hf_checkpoints.py).

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/runtime/formats/hf_golden.h"
#include "tests/runtime/formats/hf_model_builder.h"

namespace quantd {
namespace {

/// The canonical form that each checkpoint decodes to.
const std::map<std::string, std::string>& Formats() {
  static const auto* const formats =
      new std::map<std::string, std::string>{{"gptq-2-v1", "INT2-g32"},
                                             {"gptq-3-v1", "INT3-g32"},
                                             {"gptq-4-v1", "INT4-g32"},
                                             {"gptq-8-v1", "INT8"},
                                             {"gptq-2-v2-asym", "INT2-g32-zero"},
                                             {"gptq-3-v2-asym", "INT3-row-zero"},
                                             {"gptq-4-v2-act-order", "INT4-g16"},
                                             {"gptq-4-v2-asym-act-order", "INT4-g32-zero"},
                                             {"gptq-8-v2-asym", "INT8-g32-zero"},
                                             {"gptq-4-v1-zero-borrows", "INT4-g16-zero"},
                                             {"awq-g32", "INT4-g32-zero"},
                                             {"awq-channel", "INT4-row-zero"},
                                             {"bnb-nf4", "NF4"},
                                             {"bnb-nf4-double", "NF4"},
                                             {"bnb-fp4", "FP4"},
                                             {"bnb-fp4-double", "FP4"},
                                             {"bnb-nf4-blocks-across-rows", "NF4-g32"},
                                             {"bnb-int8", "INT8"},
                                             {"bnb-int8-outliers", "INT8"},
                                             {"compressed-w4-g32", "INT4-g32"},
                                             {"compressed-w4-g32-asym", "INT4-g32-zero"},
                                             {"compressed-w4-g16-act-order", "INT4-g16"},
                                             {"compressed-w8-channel-packed", "INT8"},
                                             {"compressed-w4-channel-asym", "INT4-row-zero"},
                                             {"compressed-w8a8-channel", "INT8"},
                                             {"compressed-w8a8-tensor-asym", "INT8-row-zero"},
                                             {"compressed-fp8-channel", "FP8"},
                                             {"compressed-fp8-tensor", "FP8"},
                                             {"compressed-fp8-block", "FP8-g32"},
                                             {"compressed-mxfp4", "MXFP4"},
                                             {"fp8-tensor", "FP8"},
                                             {"fp8-block", "FP8-g32"},
                                             {"fbgemm-fp8", "FP8"},
                                             {"mxfp4", "MXFP4"}};
  return *formats;
}

class HfGoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(HfGoldenTest, DecodesToTheWeightsOfTheOriginalLibrary) {
  const auto golden = HfGolden::Load(GetParam());
  ASSERT_TRUE(golden.ok()) << golden.status();
  const HfSource& source = *golden->weight.source;
  EXPECT_EQ(FormatName(source.format()), Formats().at(GetParam()));
  EXPECT_EQ(golden->weight.tensors.size(), golden->model->tensors().size())
      << "tensors that nothing reads";
  ASSERT_EQ(golden->shape, (std::vector<int64_t>{source.rows(), source.cols()}));
  const std::vector<float> weights = AllWeights(source);
  float largest = 0;
  for (const float value : golden->expected) largest = std::max(largest, std::fabs(value));
  // The same factors in another order of multiplication may differ in the last bit.
  for (size_t i = 0; i < weights.size(); ++i) {
    ASSERT_NEAR(weights[i], golden->expected[i], 2e-7f * largest) << "weight " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, HfGoldenTest, ::testing::ValuesIn(HfGolden::Names()),
                         HfGolden::TestName);

TEST(HfGolden, EveryCheckpointIsThere) {
  std::vector<std::string> names;
  for (const auto& [name, format] : Formats()) names.push_back(name);
  EXPECT_EQ(HfGolden::Names(), names);
}

}  // namespace
}  // namespace quantd
