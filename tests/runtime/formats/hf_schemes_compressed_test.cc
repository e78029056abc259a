// compressed-tensors with integer weights against its definition, and what is refused. Checkpoints
// of the library itself are in hf_golden_test.cc.

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/formats/hf_model_builder.h"

namespace quantd {
namespace {

using ::testing::Each;

std::string Config(const std::string& format, int bits) {
  return absl::StrCat(
      R"({"quant_method": "compressed-tensors", "format": ")", format,
      R"(", "config_groups": {"g": {"targets": ["Linear"], "weights": {"num_bits": )", bits,
      "}}}}");
}

constexpr int64_t kN = 2, kK = 36;

/// Four bits per weight, two rows of 36, which leave half of their last word unused; one scale per
/// row. Row 0 has codes 0, 1, ... 15, 0, ..., row 1 is all 15.
HfModelBuilder Packed() {
  std::vector<uint32_t> words;
  for (int i = 0; i < 5; ++i) words.push_back(i % 2 == 0 ? 0x76543210 : 0xfedcba98);
  for (int i = 0; i < 5; ++i) words.push_back(0xffffffff);
  return HfModelBuilder(Config("pack-quantized", 4))
      .Set("m.weight_packed", "I32", {kN, 5}, words)
      .Set("m.weight_shape", "I64", {2}, std::vector<int64_t>{kN, kK})
      .Set("m.weight_scale", "F32", {kN, 1}, std::vector<float>{0.5f, 2});
}

TEST(HfCompressed, DecodesPackedRowsAndCropsThem) {
  const auto model = Packed().Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_STREQ(weight->scheme->name, "compressed-tensors packed");
  EXPECT_EQ(weight->source->format(), AffineFormat(4, 0, ZeroType::kMidpoint));
  EXPECT_EQ(weight->source->cols(), kK);
  EXPECT_EQ(weight->tensors.size(), 3u);
  const std::vector<float> weights = AllWeights(*weight->source);
  for (int64_t k = 0; k < kK; ++k) {
    ASSERT_EQ(weights[k], 0.5f * static_cast<float>(k % 16 - 8));
    ASSERT_EQ(weights[kK + k], 2.0f * 7);
  }
}

TEST(HfCompressed, ReadsZeroPointsPackedAndPlain) {
  // Stored with an offset of 8: zero points 3 and -8.
  const auto packed =
      Packed().Set("m.weight_zero_point", "I32", {1, 1}, std::vector<uint32_t>{0x0b});
  const auto plain = Packed().Set("m.weight_zero_point", "I8", {kN, 1}, std::vector<int8_t>{3, -8});
  for (const HfModelBuilder& builder : {packed, plain}) {
    const auto model = builder.Build();
    const auto weight = OpenHfWeight(model->Module("m"));
    ASSERT_TRUE(weight.ok()) << weight.status();
    EXPECT_EQ(weight->source->format(), AffineFormat(4, 0, ZeroType::kCode));
    EXPECT_EQ(weight->tensors.size(), 4u);
    const std::vector<float> weights = AllWeights(*weight->source);
    for (int64_t k = 0; k < kK; ++k) {
      ASSERT_EQ(weights[k], 0.5f * static_cast<float>(k % 16 - 8 - 3));
      ASSERT_EQ(weights[kK + k], 2.0f * 15);
    }
  }
}

/// Two groups of 16 in one row of 32 codes 0 .. 15 twice.
HfModelBuilder Grouped() {
  return HfModelBuilder(Config("pack-quantized", 4))
      .Set("m.weight_packed", "I32", {1, 4},
           std::vector<uint32_t>{0x76543210, 0xfedcba98, 0x76543210, 0xfedcba98})
      .Set("m.weight_shape", "I32", {2}, std::vector<int32_t>{1, 32})
      .Set("m.weight_scale", "F32", {1, 2}, std::vector<float>{1, 100});
}

TEST(HfCompressed, ActOrderScattersGroups) {
  std::vector<int32_t> g_idx;
  for (int k = 0; k < 32; ++k) g_idx.push_back(k % 2);
  const auto model = Grouped().Set("m.weight_g_idx", "I32", {32}, g_idx).Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  const std::vector<float> weights = AllWeights(*weight->source);
  for (int k = 0; k < 32; ++k) {
    ASSERT_EQ(weights[k], static_cast<float>((k % 16 - 8) * (k % 2 == 0 ? 1 : 100)));
  }
  const auto in_order =
      Grouped().Set("m.weight_g_idx", "I32", {32}, std::string(128, '\xff')).Build();
  const auto plain = OpenHfWeight(in_order->Module("m"));
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_TRUE(plain->source->k_order().empty());
}

TEST(HfCompressed, RefusesPackedTensorsThatDoNotFitNamingThem) {
  const auto shape = [](int64_t n, int64_t k) {
    return [=](HfModelBuilder* m) {
      m->Set("m.weight_shape", "I64", {2}, std::vector<int64_t>{n, k});
    };
  };
  ExpectRefused(
      Packed, {{[](auto* m) { m->Remove("m.weight_shape"); }, "tensor m.weight_shape: is missing"},
               {[](auto* m) { m->Remove("m.weight_scale"); }, "tensor m.weight_scale: is missing"},
               {shape(3, kK),
                "tensor m.weight_shape: says 3 x 36, but weight_packed has 2 rows of 5 words"},
               {shape(kN, 41), "tensor m.weight_shape: says 2 x 41"},
               {shape(kN, 32), "tensor m.weight_shape: says 2 x 32"},
               {shape(kN, -36), "tensor m.weight_shape: says 2 x -36"},
               {shape(kN, int64_t{1} << 62), "tensor m.weight_shape: says 2 x 4611686018427387904"},
               {[](auto* m) {
                  m->Set("m.weight_scale", "F32", {kN, 1}, std::vector<float>{1, INFINITY});
                },
                "tensor m.weight_scale: holds a scale that is NaN"},
               {[](auto* m) {
                  m->Set("m.weight_scale", "I32", {kN, 1}, std::string(8, '\0'));
                },
                "tensor m.weight_scale: expected type F32 or F16 or BF16, found I32"},
               {[](auto* m) {
                  m->Set("m.weight_zero_point", "I8", {1, 1}, std::string(1, '\0'));
                },
                "tensor m.weight_zero_point: its type and shape give no zero point to each scale"},
               {[](auto* m) {
                  m->Set("m.weight_zero_point", "I8", {kN, 1}, std::vector<int8_t>{0, 8});
                },
                "tensor m.weight_zero_point: zero point 8 is out of the range of 4 bits"},
               {[](auto* m) {
                  m->Set("m.weight_zero_point", "I32", {2, 1}, std::string(8, '\0'));
                },
                "tensor m.weight_zero_point: expected shape [1, 1], found [2, 1]"},
               {[](auto* m) { m->Set("m.weight_g_idx", "I32", {kK}, std::string(4 * kK, '\x01')); },
                "tensor m.weight_g_idx: feature 0 is in group 16843009 of 1"}});
}

HfModelBuilder Int8() {
  return HfModelBuilder(Config("int-quantized", 8))
      .Set("m.weight", "I8", {2, 16}, std::string(16, '\xff') + std::string(16, '\x7f'))
      .Set("m.weight_scale", "F32", {2, 1}, std::vector<float>{0.5f, 2})
      .Set("m.input_scale", "F32", {1}, std::vector<float>{1});
}

TEST(HfCompressed, DecodesInt8) {
  const auto model = Int8().Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_STREQ(weight->scheme->name, "compressed-tensors int8");
  EXPECT_EQ(weight->source->format(), kInt8);
  EXPECT_EQ(weight->tensors.size(), 3u);
  QuantTensor rows;
  ASSERT_TRUE(weight->source->Decode(1, 1, &rows).ok());
  EXPECT_THAT(rows.codes, Each(255));
  EXPECT_EQ(rows.At(0, 3), 254.0f);
  EXPECT_EQ(AllWeights(*weight->source)[0], -0.5f);
}

TEST(HfCompressed, DecodesInt8WithZeroPoints) {
  const auto model =
      Int8().Set("m.weight_zero_point", "I8", {2, 1}, std::vector<int8_t>{-128, 127}).Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_EQ(weight->source->format(), AffineFormat(8, 0, ZeroType::kCode));
  const std::vector<float> weights = AllWeights(*weight->source);
  EXPECT_EQ(weights[0], 0.5f * 127);
  EXPECT_EQ(weights[16], 0.0f);
}

TEST(HfCompressed, RefusesInt8TensorsThatDoNotFitNamingThem) {
  ExpectRefused(Int8,
                {{[](auto* m) { m->Set("m.weight", "I8", {32}, std::string(32, '\0')); },
                  "tensor m.weight: expected shape [any, any], found [32]"},
                 {[](auto* m) {
                    m->Set("m.weight", "I8", {2, 0}, std::string());
                  },
                  "tensor m.weight: holds no weights"},
                 {[](auto* m) {
                    m->Set("m.weight_scale", "F32", {3, 1}, std::vector<float>{1, 1, 1});
                  },
                  "tensor m.weight_scale: shape [3, 1] gives no scales to a weight of 2 x 16"},
                 {[](auto* m) {
                    m->Set("m.weight_zero_point", "F32", {2, 1}, std::vector<float>{1, 1});
                  },
                  "tensor m.weight_zero_point: its type and shape give no zero point"}});
}

}  // namespace
}  // namespace quantd
