// AWQ against its definition, weight by weight, and what is refused. Checkpoints of AutoAWQ itself
// are in hf_golden_test.cc.

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/base/float16.h"
#include "tests/runtime/formats/hf_model_builder.h"

namespace quantd {
namespace {

using ::testing::StartsWith;

constexpr int64_t kN = 16, kK = 64, kGroups = 2;

std::vector<uint32_t> Words(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint32_t> words(count);
  for (uint32_t& word : words) word = random();
  return words;
}

HfModelBuilder Awq() {
  std::vector<uint16_t> scales;
  for (int i = 0; i < kGroups * kN; ++i) scales.push_back(FloatToHalf(0.25f * (i % 5 + 1)));
  return HfModelBuilder(R"({"quant_method": "awq", "bits": 4, "group_size": 32})")
      .Set("m.qweight", "I32", {kK, kN / 8}, Words(kK * kN / 8, 1))
      .Set("m.qzeros", "I32", {kGroups, kN / 8}, Words(kGroups * kN / 8, 2))
      .Set("m.scales", "F16", {kGroups, kN}, scales);
}

/// The nibble of column n, by the order in which the packer takes columns.
int Nibble(const SafetensorsTensor& tensor, int64_t row, int64_t n) {
  constexpr int kColumnOf[] = {0, 2, 4, 6, 1, 3, 5, 7};
  const uint32_t word = LoadElement<uint32_t>(tensor, row * kN / 8 + n / 8);
  for (int i = 0; i < 8; ++i) {
    if (kColumnOf[i] == n % 8) return word >> 4 * i & 15;
  }
  return -1;
}

TEST(HfAwq, DecodesAnyWordsAsTheFormatSays) {
  const auto model = Awq().Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_STREQ(weight->scheme->name, "AWQ");
  EXPECT_EQ(weight->source->format(), AffineFormat(4, 32, ZeroType::kCode));
  EXPECT_EQ(weight->source->rows(), kN);
  EXPECT_EQ(weight->source->cols(), kK);
  const SafetensorsTensor& qweight = *model->tensors->FindTensor("m.qweight");
  const SafetensorsTensor& qzeros = *model->tensors->FindTensor("m.qzeros");
  QuantTensor slab;
  ASSERT_TRUE(weight->source->Decode(3, 10, &slab).ok());
  for (int64_t row = 0; row < 10; ++row) {
    for (int64_t k = 0; k < kK; ++k) {
      const int64_t n = 3 + row, group = k / 32;
      const float scale = 0.25f * static_cast<float>((group * kN + n) % 5 + 1);
      ASSERT_EQ(slab.At(row, k),
                scale * static_cast<float>(Nibble(qweight, k, n) - Nibble(qzeros, group, n)));
    }
  }
}

TEST(HfAwq, RefusesTensorsThatDoNotFitNamingThem) {
  const std::vector<std::pair<Spoil, std::string>> cases = {
      {[](auto* m) { m->Remove("m.scales"); }, "tensor m.scales: is missing"},
      {[](auto* m) { m->Remove("m.qzeros"); }, "tensor m.qzeros: is missing"},
      {[](auto* m) {
         m->Set("m.qweight", "U8", {kK, 8}, std::string(kK * 8, '\0'));
       },
       "tensor m.qweight: expected type I32, found U8"},
      {[](auto* m) {
         m->Set("m.qweight", "I32", {0, 2}, std::string());
       },
       "tensor m.qweight: holds no weights"},
      {[](auto* m) {
         m->Set("m.qzeros", "I32", {kGroups, 1}, std::string(8, '\0'));
       },
       "tensor m.qzeros: expected shape [2, 2], found [2, 1]"},
      {[](auto* m) {
         m->Set("m.scales", "F16", {kGroups, 8}, std::string(32, '\0'));
       },
       "tensor m.scales: expected shape [any, 16], found [2, 8]"},
      {[](auto* m) {
         m->Set("m.scales", "F16", {kGroups, kN}, std::string(64, '\x7c'));
       },
       "tensor m.scales: holds a scale that is NaN or infinite"},
      {[](auto* m) {
         m->Set("m.qweight", "I32", {96, 2}, std::string(96 * 8, '\0'));
       },
       "tensor m.scales: 2 groups for 96 features, but config.json says group_size 32"},
  };
  ASSERT_TRUE(Awq().Status().ok()) << Awq().Status();
  for (const auto& [spoil, message] : cases) {
    HfModelBuilder builder = Awq();
    spoil(&builder);
    const absl::Status status = builder.Status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << message;
    EXPECT_THAT(std::string(status.message()), StartsWith("memory.safetensors: " + message));
  }
}

}  // namespace
}  // namespace quantd
