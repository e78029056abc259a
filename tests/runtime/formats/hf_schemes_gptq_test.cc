// GPTQ against its definition, weight by weight, and what is refused. Checkpoints of the libraries
// themselves are in hf_golden_test.cc.

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/base/float16.h"
#include "tests/runtime/formats/hf_model_builder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int64_t kN = 32, kK = 64, kGroups = 2;

std::string Config(int bits, const std::string& rest) {
  return absl::StrCat(R"({"quant_method": "gptq", "bits": )", bits, R"(, "group_size": 32)", rest,
                      "}");
}

/// Random words: every one is a valid encoding.
std::vector<uint32_t> Words(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint32_t> words(count);
  for (uint32_t& word : words) word = random();
  return words;
}

/// Module "m" of kN x kK weights in two groups, of which the second comes first.
HfModelBuilder Gptq(int bits, const std::string& rest = "") {
  std::vector<uint16_t> scales;
  for (int i = 0; i < kGroups * kN; ++i) scales.push_back(FloatToHalf(0.125f * (i % 7 + 1)));
  std::vector<int32_t> g_idx;
  for (int64_t k = 0; k < kK; ++k) g_idx.push_back(k < kK / 2 ? 1 : 0);
  return HfModelBuilder(Config(bits, rest))
      .Set("m.qweight", "I32", {kK * bits / 32, kN}, Words(kK * bits / 32 * kN, 1))
      .Set("m.qzeros", "I32", {kGroups, kN * bits / 32}, Words(kGroups * kN * bits / 32, 2))
      .Set("m.scales", "F16", {kGroups, kN}, scales)
      .Set("m.g_idx", "I32", {kK}, g_idx);
}

/// Bits [at, at + bits) of the stream of words word(0), word(1), ...
int BitsAt(const std::function<uint32_t(int64_t)>& word, int64_t at, int bits) {
  int value = 0;
  for (int b = 0; b < bits; ++b) value |= (word((at + b) / 32) >> (at + b) % 32 & 1) << b;
  return value;
}

TEST(HfGptq, DecodesAnyWordsAsTheFormatSays) {
  for (const int bits : {2, 3, 4, 8}) {
    const auto model = Gptq(bits, R"(, "checkpoint_format": "gptq_v2")").Build();
    const auto weight = OpenHfWeight(model->Module("m"));
    ASSERT_TRUE(weight.ok()) << weight.status();
    EXPECT_STREQ(weight->scheme->name, "GPTQ");
    EXPECT_EQ(weight->source->format(), AffineFormat(bits, 32, ZeroType::kCode));
    EXPECT_EQ(weight->source->k_order().size(), static_cast<size_t>(kK));
    const std::vector<float> weights = AllWeights(*weight->source);
    const SafetensorsTensor& qweight = *model->tensors->FindTensor("m.qweight");
    const SafetensorsTensor& qzeros = *model->tensors->FindTensor("m.qzeros");
    for (int64_t n = 0; n < kN; ++n) {
      for (int64_t k = 0; k < kK; ++k) {
        const int64_t group = k < kK / 2 ? 1 : 0;
        const int code = BitsAt(
            [&](int64_t w) { return LoadElement<uint32_t>(qweight, w * kN + n); }, k * bits, bits);
        const int zero = BitsAt(
            [&](int64_t w) { return LoadElement<uint32_t>(qzeros, group * kN * bits / 32 + w); },
            n * bits, bits);
        const float scale = 0.125f * static_cast<float>((group * kN + n) % 7 + 1);
        ASSERT_EQ(weights[n * kK + k], scale * static_cast<float>(code - zero))
            << bits << " bits, " << n << ", " << k;
      }
    }
  }
}

TEST(HfGptq, DecodesSlabsOfRows) {
  const auto model = Gptq(3, R"(, "checkpoint_format": "gptq_v2")").Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  QuantTensor all, slab;
  ASSERT_TRUE(weight->source->Decode(0, kN, &all).ok());
  ASSERT_TRUE(weight->source->Decode(5, 9, &slab).ok());
  for (int64_t row = 0; row < 9; ++row) {
    for (int64_t col = 0; col < kK; ++col) ASSERT_EQ(slab.At(row, col), all.At(5 + row, col));
  }
}

/// Zero points of the first group in rows 0 to 3.
std::vector<int> FirstZeros(int bits, const std::string& rest, uint32_t word) {
  const std::vector<uint32_t> words(kGroups * kN * bits / 32, word);
  const auto model =
      Gptq(bits, rest).Set("m.qzeros", "I32", {kGroups, kN * bits / 32}, words).Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  EXPECT_TRUE(weight.ok()) << weight.status();
  QuantTensor rows;
  EXPECT_TRUE(weight->source->Decode(0, 4, &rows).ok());
  std::vector<int> zeros;
  for (int row = 0; row < 4; ++row) zeros.push_back(rows.zeros[row * kGroups]);
  return zeros;
}

TEST(HfGptq, FirstVersionStoresZeroPointsLessOne) {
  const std::string v2 = R"(, "checkpoint_format": "gptq_v2")";
  EXPECT_THAT(FirstZeros(4, v2, 0x76543210), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(FirstZeros(4, "", 0x76543210), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(FirstZeros(8, "", 0x7f030201), ElementsAre(2, 3, 4, 128));
  EXPECT_THAT(FirstZeros(2, "", 0b10010010), ElementsAre(3, 1, 2, 3));
  // Three bits on their own: 0, 1, 6, 7 and so on.
  EXPECT_THAT(FirstZeros(3, "", 0b111110001000), ElementsAre(1, 2, 7, 0));
  // A zero point of 0 is stored as -1, which borrows from its neighbour: 0x..50 - 0x..11 = 0x..3f.
  EXPECT_THAT(FirstZeros(4, "", 0x7654323f), ElementsAre(0, 5, 3, 4));
}

TEST(HfGptq, SymmetricWeightsNeedNoZeroPoints) {
  const std::vector<uint32_t> words(kGroups * kN * 4 / 32, 0x77777777);
  const auto model = Gptq(4).Set("m.qzeros", "I32", {kGroups, kN / 8}, words).Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_EQ(weight->source->format(), AffineFormat(4, 32, ZeroType::kMidpoint));
}

TEST(HfGptq, WithoutGroupIndexFeaturesAreInOrder) {
  const auto model = Gptq(4).Remove("m.g_idx").Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_TRUE(weight->source->k_order().empty());
  EXPECT_EQ(weight->tensors.size(), 3u);
}

TEST(HfGptq, ModulesMayDifferWhereTheConfigurationSaysSo) {
  HfModelBuilder builder = Gptq(8, R"(, "dynamic": {"+:m": {"bits": 8}})");
  const std::string eight = Config(4, R"(, "dynamic": {"+:m": {"bits": 8}})");
  HfModelBuilder other(eight);
  const auto source = builder.Build();
  for (const SafetensorsTensor* tensor : source->tensors->tensors()) {
    other.Set(tensor->name, DtypeName(tensor->dtype), tensor->shape,
              std::string(tensor->span().begin(), tensor->span().end()));
  }
  const auto model = other.Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_EQ(weight->source->format().bits, 8);
  EXPECT_EQ(weight->source->cols(), kK);
}

TEST(HfGptq, RefusesTensorsThatDoNotFitNamingThem) {
  const std::vector<std::pair<Spoil, std::string>> cases = {
      {[](auto* m) { m->Remove("m.qzeros"); }, "tensor m.qzeros: is missing"},
      {[](auto* m) { m->Remove("m.scales"); }, "tensor m.scales: is missing"},
      {[](auto* m) {
         m->Set("m.qweight", "F32", {8, kN}, Words(8 * kN, 1));
       },
       "tensor m.qweight: expected type I32, found F32"},
      {[](auto* m) { m->Set("m.qweight", "I32", {8 * kN}, Words(8 * kN, 1)); },
       "tensor m.qweight: expected shape [any, any], found [256]"},
      {[](auto* m) {
         m->Set("m.qweight", "I32", {0, kN}, std::string());
       },
       "tensor m.qweight: holds no weights"},
      {[](auto* m) {
         m->Set("m.qzeros", "I32", {kGroups, 3}, Words(kGroups * 3, 1));
       },
       "tensor m.qzeros: expected shape [2, 4], found [2, 3]"},
      {[](auto* m) {
         m->Set("m.scales", "F16", {kN, 2}, std::string(kN * 4, '\0'));
       },
       "tensor m.scales: expected shape [any, 32], found [32, 2]"},
      {[](auto* m) {
         m->Set("m.scales", "F16", {kGroups, kN}, std::string(kN * 4, '\x7e'));
       },
       "tensor m.scales: holds a scale that is NaN or infinite"},
      {[](auto* m) {
         m->Set("m.scales", "F16", {1, kN}, std::string(kN * 2, '\0'));
         m->Set("m.qzeros", "I32", {1, 4}, Words(4, 1));
         m->Remove("m.g_idx");
       },
       "tensor m.scales: 1 groups of 64 features, but config.json says group_size 32"},
      {[](auto* m) { m->Set("m.g_idx", "I32", {kK - 1}, std::string(4 * kK - 4, '\0')); },
       "tensor m.g_idx: expected shape [64], found [63]"},
      {[](auto* m) { m->Set("m.g_idx", "I32", {kK}, std::string(4 * kK, '\0')); },
       "tensor m.g_idx: group 0 has more than the 32 features"},
      {[](auto* m) { m->Set("m.g_idx", "I32", {kK}, std::string(4 * kK, '\x7f')); },
       "tensor m.g_idx: feature 0 is in group 2139062143 of 2"},
  };
  ASSERT_TRUE(Gptq(4).Status().ok()) << Gptq(4).Status();
  for (const auto& [spoil, message] : cases) {
    HfModelBuilder builder = Gptq(4);
    spoil(&builder);
    const absl::Status status = builder.Status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << message;
    EXPECT_THAT(std::string(status.message()), StartsWith("memory.safetensors: " + message));
  }
}

TEST(HfGptq, RefusesGroupsThatDoNotDivideK) {
  const std::string scales(3 * kN * 2, '\0');
  const absl::Status status = Gptq(4)
                                  .Set("m.scales", "F16", {3, kN}, scales)
                                  .Set("m.qzeros", "I32", {3, 4}, Words(12, 1))
                                  .Status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()), HasSubstr("m: 3 groups do not divide the 64 input"));
}

TEST(HfGptq, RefusesAWeightThatDoesNotFillItsWords) {
  const absl::Status rows = Gptq(3)
                                .Set("m.qweight", "I32", {5, kN}, Words(5 * kN, 1))
                                .Set("m.g_idx", "I32", {53}, std::string(4 * 53, '\0'))
                                .Status();
  EXPECT_EQ(rows.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(rows.message()), HasSubstr("tensor m.qweight: a weight of 32 x 53 does"));
}

}  // namespace
}  // namespace quantd
