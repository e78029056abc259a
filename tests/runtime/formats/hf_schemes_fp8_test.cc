// FP8 and MXFP4 against their definitions, and what is refused. Checkpoints of the libraries
// themselves are in hf_golden_test.cc.

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/formats/hf_model_builder.h"

namespace quantd {
namespace {

/// Value of an E4M3 code by the definition of the format.
double E4M3(int code) {
  const int exponent = code >> 3 & 15, fraction = code & 7;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
  return code >> 7 ? -magnitude : magnitude;
}

bool IsNan(int code) { return (code & 0x7f) == 0x7f; }

/// Every code that is a number, in rows of 32; NaNs are replaced by 0.
std::string EveryCode() {
  std::string codes;
  for (int code = 0; code < 256; ++code) codes += static_cast<char>(IsNan(code) ? 0 : code);
  return codes;
}

HfModelBuilder Fp8(const std::string& config = R"({"quant_method": "fp8"})") {
  return HfModelBuilder(config)
      .Set("m.weight", "F8_E4M3", {8, 32}, EveryCode())
      .Set("m.weight_scale", "F32", {}, std::vector<float>{0.75f});
}

TEST(HfFp8, DecodesEveryCode) {
  const auto model = Fp8().Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_STREQ(weight->scheme->name, "FP8");
  EXPECT_EQ(weight->source->format(), kFp8);
  const std::vector<float> weights = AllWeights(*weight->source);
  for (int code = 0; code < 256; ++code) {
    ASSERT_EQ(weights[code], IsNan(code) ? 0 : 0.75 * E4M3(code)) << code;
  }
}

TEST(HfFp8, InverseScalesCoverBlocksOf128UnlessTheConfigurationSaysOtherwise) {
  const std::vector<float> scales = {1, 2, 3, 4};
  const std::string ones(130 * 160, '\x38');
  const auto builder = [&](const std::string& config) {
    return HfModelBuilder(config)
        .Set("m.weight", "F8_E4M3", {130, 160}, ones)
        .Set("m.weight_scale_inv", "F32", {2, 2}, scales)
        .Build();
  };
  for (const char* config : {R"({"quant_method": "fp8"})",
                             R"({"quant_method": "fp8", "weight_block_size": [128, 128]})"}) {
    const auto model = builder(config);
    const auto weight = OpenHfWeight(model->Module("m"));
    ASSERT_TRUE(weight.ok()) << weight.status();
    EXPECT_EQ(weight->source->format().group, 32);
    const std::vector<float> weights = AllWeights(*weight->source);
    EXPECT_EQ(weights[0], 1.0f);
    EXPECT_EQ(weights[127], 1.0f);
    EXPECT_EQ(weights[128], 2.0f);
    EXPECT_EQ(weights[127 * 160 + 159], 2.0f);
    EXPECT_EQ(weights[128 * 160], 3.0f);
    EXPECT_EQ(weights[129 * 160 + 159], 4.0f);
  }
  const auto other = builder(R"({"quant_method": "fp8", "weight_block_size": [64, 64]})");
  EXPECT_FALSE(OpenHfWeight(other->Module("m")).ok());
}

TEST(HfFp8, RefusesTensorsThatDoNotFitNamingThem) {
  const auto nan = [](char code) {
    return [code](HfModelBuilder* m) {
      std::string codes = EveryCode();
      codes[255] = code;
      m->Set("m.weight", "F8_E4M3", {8, 32}, codes);
    };
  };
  ExpectRefused(
      [] { return Fp8(); },
      {{[](auto* m) { m->Remove("m.weight_scale"); }, "tensor m.weight_scale: is missing"},
       {[](auto* m) { m->Set("m.weight", "F8_E4M3", {256}, EveryCode()); },
        "tensor m.weight: expected shape [any, any], found [256]"},
       {[](auto* m) {
          m->Set("m.weight", "F8_E4M3", {0, 4}, std::string());
        },
        "tensor m.weight: holds no weights"},
       {nan('\x7f'), "tensor m.weight: holds a weight that is NaN"},
       {nan('\xff'), "tensor m.weight: holds a weight that is NaN"},
       {[](auto* m) { m->Set("m.weight_scale", "F32", {}, std::vector<float>{NAN}); },
        "tensor m.weight_scale: holds a scale that is NaN"},
       {[](auto* m) { m->Set("m.weight_scale", "F8_E8M0", {}, std::string("\xff")); },
        "tensor m.weight_scale: holds a scale that is NaN"},
       {[](auto* m) { m->Set("m.weight_scale", "I32", {}, std::string(4, '\0')); },
        "tensor m.weight_scale: expected type F32 or F16 or BF16 or F8_E8M0, found I32"},
       {[](auto* m) {
          m->Set("m.weight_scale", "F32", {2, 2}, std::vector<float>(4, 1));
        },
        "tensor m.weight_scale: shape [2, 2] gives no scales to a weight of 8 x 32"}});
}

/// Two experts of one row of 64 weights.
HfModelBuilder Mxfp4() {
  std::string blocks;
  for (int i = 0; i < 64; ++i) blocks += static_cast<char>(i * 4 + i / 16);
  return HfModelBuilder(R"({"quant_method": "mxfp4"})")
      .Set("m_blocks", "U8", {2, 1, 2, 16}, blocks)
      .Set("m_scales", "U8", {2, 1, 2}, std::vector<uint8_t>{127, 130, 0, 252});
}

TEST(HfMxfp4, DecodesAnyBytesAsTheFormatSays) {
  constexpr double kE2M1[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  const auto model = Mxfp4().Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_STREQ(weight->scheme->name, "MXFP4");
  EXPECT_EQ(weight->source->format(), kMxFp4);
  EXPECT_EQ(weight->source->rows(), 2);
  EXPECT_EQ(weight->source->cols(), 64);
  const std::vector<float> weights = AllWeights(*weight->source);
  const uint8_t* blocks = model->tensors->FindTensor("m_blocks")->data;
  const uint8_t* scales = model->tensors->FindTensor("m_scales")->data;
  for (int i = 0; i < 128; ++i) {
    const int code = i % 2 == 0 ? blocks[i / 2] & 15 : blocks[i / 2] >> 4;
    const double value = std::ldexp(kE2M1[code & 7], scales[i / 32] - 127);
    ASSERT_EQ(weights[i], code < 8 ? value : -value) << i;
  }
  QuantTensor slab;
  ASSERT_TRUE(weight->source->Decode(1, 1, &slab).ok());
  for (int k = 0; k < 64; ++k) ASSERT_EQ(slab.At(0, k), weights[64 + k]);
}

TEST(HfMxfp4, RefusesTensorsThatDoNotFitNamingThem) {
  ExpectRefused([] { return Mxfp4(); },
                {{[](auto* m) { m->Set("m_scales", "U8", {4}, std::string(4, '\x7f')); },
                  "tensor m_blocks: expected U8 numbers [..., K / 32, 16]"},
                 {[](auto* m) { m->Set("m_scales", "F32", {1}, std::string(4, '\0')); },
                  "tensor m_scales: expected U8 numbers [..., K / 32]"},
                 {[](auto* m) { m->Set("m_scales", "U8", {}, std::string(1, '\0')); },
                  "tensor m_scales: expected U8 numbers"},
                 {[](auto* m) {
                    m->Set("m_scales", "U8", {0, 2}, std::string());
                  },
                  "tensor m_scales: expected U8 numbers"},
                 {[](auto* m) {
                    m->Set("m_scales", "U8", {2, 1, 2}, std::vector<uint8_t>{1, 1, 1, 253});
                  },
                  "tensor m_scales: holds a scale that is NaN or overflows"}});
}

HfModelBuilder PackedMxfp4() {
  return HfModelBuilder(R"({"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized",
      "config_groups": {"group_0": {"targets": ["Linear"],
                                    "weights": {"num_bits": 4, "type": "float", "group_size": 32}}}})")
      .Set("m.weight_packed", "U8", {2, 32}, std::string(64, '\x72'))
      .Set("m.weight_scale", "U8", {2, 2}, std::vector<uint8_t>{127, 130, 0, 252});
}

TEST(HfMxfp4, CompressedTensorsPacksTheSameBytes) {
  const auto model = PackedMxfp4().Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_STREQ(weight->scheme->name, "MXFP4");
  EXPECT_EQ(weight->source->format(), kMxFp4);
  const std::vector<float> weights = AllWeights(*weight->source);
  ASSERT_EQ(weights.size(), 128u);
  EXPECT_EQ(weights[0], 1.0f);  // code 2, then 7, both of one byte
  EXPECT_EQ(weights[1], 6.0f);
  EXPECT_EQ(weights[33], 48.0f);
}

TEST(HfMxfp4, RefusesPackedTensorsThatDoNotFitNamingThem) {
  ExpectRefused([] { return PackedMxfp4(); },
                {{[](auto* m) { m->Set("m.weight_scale", "U8", {4}, std::string(4, '\x7f')); },
                  "tensor m.weight_scale: expected shape [any, any]"},
                 {[](auto* m) {
                    m->Set("m.weight_scale", "U8", {0, 2}, std::string());
                  },
                  "tensor m.weight_scale: holds no scales"},
                 {[](auto* m) { m->Set("m.weight_packed", "U8", {64}, std::string(64, '\0')); },
                  "tensor m.weight_packed: expected U8 numbers [N, K / 2]"},
                 {[](auto* m) {
                    m->Set("m.weight_packed", "U8", {2, 31}, std::string(62, '\0'));
                  },
                  "tensor m.weight_packed: expected U8 numbers [N, K / 2]"}});
}

}  // namespace
}  // namespace quantd
