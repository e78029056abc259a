// bitsandbytes against its definition, weight by weight, and what is refused. Checkpoints of the
// library itself are in hf_golden_test.cc.

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/formats/hf_model_builder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int64_t kN = 3, kK = 128, kBlocks = kN * kK / 64;
constexpr char kState[] = "m.weight.quant_state.bitsandbytes__nf4";

std::string Bytes(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

HfModelBuilder& SetState(HfModelBuilder* builder, const std::string& json) {
  return builder->Set(kState, "U8", {static_cast<int64_t>(json.size())}, json);
}

constexpr char kGoodState[] =
    R"({"quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": [3, 128]})";
constexpr char kNestedState[] = R"({"quant_type": "nf4", "blocksize": 64, "shape": [3, 128],
    "nested_blocksize": 4, "nested_offset": 0.5, "nested_dtype": "float32"})";

HfModelBuilder FourBits() {
  const auto table = TableValues(CodeTable::kNf4);
  std::vector<float> absmax;
  for (int64_t i = 0; i < kBlocks; ++i) absmax.push_back(0.25f * static_cast<float>(i + 1));
  HfModelBuilder builder(R"({"load_in_4bit": true, "bnb_4bit_quant_type": "nf4"})");
  builder.Set("m.weight", "U8", {kN * kK / 2, 1}, Bytes(kN * kK / 2, 1))
      .Set("m.weight.absmax", "F32", {kBlocks}, absmax)
      .Set("m.weight.quant_map", "F32", {16}, std::vector<float>(table.begin(), table.end()));
  return SetState(&builder, kGoodState);
}

HfModelBuilder Nested() {
  HfModelBuilder builder = FourBits();
  std::vector<float> map(256);
  for (int i = 0; i < 256; ++i) map[i] = static_cast<float>(i - 128) / 256;
  builder.Set("m.weight.absmax", "U8", {kBlocks}, Bytes(kBlocks, 2))
      .Set("m.weight.nested_absmax", "F32", {2}, std::vector<float>{0.5f, 2})
      .Set("m.weight.nested_quant_map", "F32", {256}, map);
  return SetState(&builder, kNestedState);
}

void ExpectWeights(const HfModelBuilder& builder, const std::function<float(int64_t)>& scale) {
  const auto model = builder.Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_STREQ(weight->scheme->name, "bitsandbytes 4-bit");
  EXPECT_EQ(weight->source->format(), kNf4);
  EXPECT_EQ(weight->tensors.size(), model->tensors->tensors().size());
  const SafetensorsTensor& codes = *model->tensors->FindTensor("m.weight");
  QuantTensor slab;
  ASSERT_TRUE(weight->source->Decode(1, 2, &slab).ok());
  for (int64_t i = kK; i < kN * kK; ++i) {
    const int code = i % 2 == 0 ? codes.data[i / 2] >> 4 : codes.data[i / 2] & 15;
    ASSERT_EQ(slab.At(i / kK - 1, i % kK), scale(i / 64) * TableValues(CodeTable::kNf4)[code]);
  }
}

TEST(HfBitsAndBytes, DecodesFourBitsAsTheFormatSays) {
  ExpectWeights(FourBits(), [](int64_t block) { return 0.25f * static_cast<float>(block + 1); });
}

TEST(HfBitsAndBytes, DecodesDoublyQuantizedScales) {
  const std::string absmax = Bytes(kBlocks, 2);
  ExpectWeights(Nested(), [&](int64_t block) {
    const float code = static_cast<float>(static_cast<uint8_t>(absmax[block]) - 128) / 256;
    return code * (block / 4 == 0 ? 0.5f : 2.0f) + 0.5f;
  });
}

TEST(HfBitsAndBytes, TheBytesMayBeStoredAsAnotherType) {
  ExpectWeights(FourBits().Set("m.weight", "BF16", {kN * kK / 4, 1}, Bytes(kN * kK / 2, 1)),
                [](int64_t block) { return 0.25f * static_cast<float>(block + 1); });
}

TEST(HfBitsAndBytes, RefusesFourBitTensorsThatDoNotFitNamingThem) {
  const std::vector<std::pair<Spoil, std::string>> cases = {
      {[](auto* m) { m->Remove("m.weight"); }, "tensor m.weight: is missing"},
      {[](auto* m) { m->Remove("m.weight.absmax"); }, "tensor m.weight.absmax: is missing"},
      {[](auto* m) { m->Remove("m.weight.quant_map"); }, "tensor m.weight.quant_map: is missing"},
      {[](auto* m) {
         m->Set("m.weight", "U8", {7, 1}, std::string(7, 'x'));
       },
       "tensor m.weight: has 7 bytes, but the 3 x 128 weights of its quant_state take 192"},
      {[](auto* m) { m->Set("m.weight.absmax", "F32", {1}, std::vector<float>{1}); },
       "tensor m.weight.absmax: expected shape [6], found [1]"},
      {[](auto* m) { m->Set("m.weight.absmax", "F32", {6}, std::vector<float>(6, INFINITY)); },
       "tensor m.weight.absmax: holds a scale that is NaN or infinite"},
      {[](auto* m) { m->Set("m.weight.quant_map", "F32", {16}, std::vector<float>(16, NAN)); },
       "tensor m.weight.quant_map: value nan of code 0 is not the format's, -1"},
      {[](auto* m) { SetState(m, "{"); },
       "tensor m.weight.quant_state.bitsandbytes__nf4: top level: not valid JSON"},
      {[](auto* m) { SetState(m, "{}"); },
       "tensor m.weight.quant_state.bitsandbytes__nf4: shape: the key is missing"},
      {[](auto* m) { SetState(m, R"({"shape": [3]})"); },
       "tensor m.weight.quant_state.bitsandbytes__nf4: shape: expected 2 numbers"},
      {[](auto* m) { SetState(m, R"({"shape": [3, -128]})"); },
       "tensor m.weight.quant_state.bitsandbytes__nf4: shape[1]: -128 is outside of"},
      {[](auto* m) { SetState(m, R"({"shape": [2147483648, 2147483648]})"); }, "tensor m.weight: "},
      {[](auto* m) { SetState(m, R"({"shape": [3, 128], "blocksize": 0})"); },
       "tensor m.weight.quant_state.bitsandbytes__nf4: blocksize: 0 is outside of"},
  };
  ASSERT_TRUE(FourBits().Status().ok()) << FourBits().Status();
  for (const auto& [spoil, message] : cases) {
    HfModelBuilder builder = FourBits();
    spoil(&builder);
    const absl::Status status = builder.Status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << message << status;
    EXPECT_THAT(std::string(status.message()), StartsWith("memory.safetensors: " + message));
  }
}

TEST(HfBitsAndBytes, RefusesNestedTensorsThatDoNotFitNamingThem) {
  const std::vector<std::pair<Spoil, std::string>> cases = {
      {[](auto* m) { m->Remove("m.weight.nested_quant_map"); },
       "tensor m.weight.nested_quant_map: is missing"},
      {[](auto* m) { m->Set("m.weight.nested_absmax", "F32", {1}, std::vector<float>{1}); },
       "tensor m.weight.nested_absmax: expected shape [2], found [1]"},
      {[](auto* m) { m->Set("m.weight.absmax", "F32", {6}, std::vector<float>(6, 1)); },
       "tensor m.weight.absmax: expected type U8, found F32"},
      {[](auto* m) {
         m->Set("m.weight.nested_absmax", "F32", {2}, std::vector<float>{1, NAN});
       },
       "tensor m.weight.absmax: holds a scale that is NaN or infinite"},
  };
  ASSERT_TRUE(Nested().Status().ok()) << Nested().Status();
  for (const auto& [spoil, message] : cases) {
    HfModelBuilder builder = Nested();
    spoil(&builder);
    const absl::Status status = builder.Status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << message << status;
    EXPECT_THAT(std::string(status.message()), StartsWith("memory.safetensors: " + message));
  }
}

HfModelBuilder EightBits() {
  return HfModelBuilder(R"({"load_in_8bit": true})")
      .Set("m.weight", "I8", {2, 4}, std::vector<int8_t>{-128, -1, 0, 127, 1, 2, 3, 4})
      .Set("m.SCB", "F32", {2}, std::vector<float>{127, 12.7f})
      .Set("m.weight_format", "U8", {}, std::string(1, '\0'));
}

TEST(HfBitsAndBytes, DecodesInt8AsTheFormatSays) {
  const auto model = EightBits().Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_STREQ(weight->scheme->name, "LLM.int8()");
  EXPECT_EQ(weight->source->format(), kInt8);
  EXPECT_EQ(weight->tensors.size(), 3u);
  const float scale = 12.7f / 127;
  EXPECT_THAT(AllWeights(*weight->source),
              ElementsAre(-128, -1, 0, 127, scale, scale * 2, scale * 3, scale * 4));
}

TEST(HfBitsAndBytes, RefusesInt8TensorsThatDoNotFitNamingThem) {
  const std::vector<std::pair<Spoil, std::string>> cases = {
      {[](auto* m) { m->Set("m.SCB", "F32", {3}, std::vector<float>(3, 1)); },
       "tensor m.SCB: expected shape [2], found [3]"},
      {[](auto* m) {
         m->Set("m.SCB", "F32", {2}, std::vector<float>{1, NAN});
       },
       "tensor m.SCB: holds a scale that is NaN or infinite"},
      {[](auto* m) {
         m->Set("m.weight", "I8", {0, 4}, std::string());
       },
       "tensor m.weight: holds no weights"},
      {[](auto* m) { m->Set("m.weight", "I8", {8}, std::string(8, 'x')); },
       "tensor m.weight: expected shape [any, any], found [8]"},
  };
  for (const auto& [spoil, message] : cases) {
    HfModelBuilder builder = EightBits();
    spoil(&builder);
    const absl::Status status = builder.Status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << message << status;
    EXPECT_THAT(std::string(status.message()), StartsWith("memory.safetensors: " + message));
  }
  const absl::Status order =
      EightBits().Set("m.weight_format", "U8", {}, std::string(1, '\2')).Status();
  EXPECT_EQ(order.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(order.message()), HasSubstr("m: weight_format is not 0 (row); save the"));
}

}  // namespace
}  // namespace quantd
