// Weights that libraries stored (tests/golden/hf), read and packed again: the tensors must be the
// same bytes, types and shapes.

#include "runtime/formats/hf_packers.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/runtime/formats/hf_golden.h"

namespace quantd::hf {
namespace {

struct Case {
  const char* golden;
  const Packer* packer;
  PackOptions options;
  /// Suffix of a tensor that the golden stores in another way.
  const char* except = "";
};

const Case kCases[] = {
    {"bnb-nf4", &kNf4Packer, {Dtype::kF16}, ".weight.quant_state.bitsandbytes__nf4"},
    {"compressed-w8a8-channel", &kInt8Packer, {Dtype::kBF16}},
    {"compressed-w4-g32", &kPackedPacker, {Dtype::kBF16, 4, 32}},
    {"compressed-w8-channel-packed", &kPackedPacker, {Dtype::kBF16, 8, -1}},
    {"gptq-2-v1", &kGptqPacker, {Dtype::kF16, 2, 32}},
    {"gptq-3-v1", &kGptqPacker, {Dtype::kF16, 3, 32}},
    {"gptq-4-v1", &kGptqPacker, {Dtype::kF16, 4, 32}},
    {"gptq-8-v1", &kGptqPacker, {Dtype::kF16, 8, -1}},
    {"gptq-4-v2-act-order", &kGptqPacker, {Dtype::kF16, 4, 16}, ".qzeros"},
    {"gptq-8-v2-asym", &kGptqPacker, {Dtype::kF16, 8, 32}, ".qzeros"},
    {"awq-g32", &kAwqPacker, {Dtype::kF16, 4, 32}},
    {"awq-channel", &kAwqPacker, {Dtype::kF16, 4, -1}},
};

std::vector<uint8_t> BytesOf(const SafetensorsTensor& tensor) {
  return {tensor.data, tensor.data + tensor.bytes};
}

class HfPackersTest : public ::testing::TestWithParam<Case> {};

TEST_P(HfPackersTest, GivesTheTensorsOfTheLibrary) {
  const auto golden = HfGolden::Load(GetParam().golden);
  ASSERT_TRUE(golden.ok()) << golden.status();
  const HfSource& source = *golden->weight.source;
  QuantTensor weights;
  ASSERT_TRUE(source.Decode(0, source.rows(), &weights).ok());
  const PackOptions& options = GetParam().options;
  auto tensors = GetParam().packer->layout(source.rows(), source.cols(), options);
  EXPECT_EQ(tensors.size(), golden->model->tensors().size());
  GetParam().packer->pack(weights, source.k_order(), options, &tensors);
  for (const ModuleTensor& tensor : tensors) {
    const SafetensorsTensor* expected = golden->model->FindTensor("layer" + tensor.suffix);
    ASSERT_NE(expected, nullptr) << tensor.suffix;
    if (tensor.suffix == GetParam().except) continue;
    EXPECT_EQ(tensor.dtype, expected->dtype) << tensor.suffix;
    EXPECT_EQ(tensor.shape, expected->shape) << tensor.suffix;
    EXPECT_EQ(tensor.bytes, BytesOf(*expected)) << tensor.suffix;
  }
}

INSTANTIATE_TEST_SUITE_P(All, HfPackersTest, ::testing::ValuesIn(kCases),
                         [](const ::testing::TestParamInfo<Case>& info) {
                           std::string name = info.param.golden;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(HfPackers, TheStateOfNf4SaysTheSame) {
  const auto golden = HfGolden::Load("bnb-nf4");
  ASSERT_TRUE(golden.ok()) << golden.status();
  const auto tensors = kNf4Packer.layout(golden->shape[0], golden->shape[1], {Dtype::kF16});
  const ModuleTensor& state = tensors.back();
  EXPECT_EQ(state.shape[0], static_cast<int64_t>(state.bytes.size()));
  const auto expected = BytesOf(*golden->model->FindTensor("layer" + state.suffix));
  EXPECT_EQ(nlohmann::json::parse(state.bytes), nlohmann::json::parse(expected));
}

}  // namespace
}  // namespace quantd::hf
