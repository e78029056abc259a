#include "runtime/formats/hf_compressed_group.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/formats/hf_model_builder.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;

TEST(MatchesPattern, MatchesAtTheStartOfTheNameOnly) {
  EXPECT_TRUE(*MatchesPattern("model", "model.layers.0"));
  EXPECT_TRUE(*MatchesPattern(".*down_proj", "model.layers.0.mlp.down_proj"));
  EXPECT_TRUE(*MatchesPattern(R"(model\.layers\.\d+\.mlp)", "model.layers.17.mlp.up_proj"));
  EXPECT_TRUE(*MatchesPattern("(?!lm_head)", "model"));
  EXPECT_FALSE(*MatchesPattern("down_proj", "model.layers.0.mlp.down_proj"));
  EXPECT_FALSE(*MatchesPattern("(?!lm_head)", "lm_head"));
}

TEST(MatchesPattern, RefusesPatternsThatAreNoneOrTakeTooLong) {
  EXPECT_THAT(std::string(MatchesPattern("a(b", "a").status().message()), HasSubstr("not valid"));
  EXPECT_THAT(std::string(MatchesPattern("\xff", "a").status().message()), HasSubstr("not valid"));
  const absl::Status slow = MatchesPattern("(?:a+)+[bc]", std::string(100, 'a') + "!").status();
  EXPECT_EQ(slow.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(slow.message()), HasSubstr("cannot be matched"));
}

std::unique_ptr<HfModelBuilder::Model> Model(const std::string& first_target) {
  return HfModelBuilder(R"({"quant_method": "compressed-tensors", "format": "pack-quantized",
      "config_groups": {
        "group_0": {"targets": [")" +
                        first_target + R"("], "weights": {"num_bits": 8}},
        "group_1": {"targets": ["re:.*mlp"], "weights": {"num_bits": 4}},
        "group_2": {"targets": ["a.mlp.up", "b"], "weights": {"num_bits": 8}}}})")
      .Build();
}

TEST(FindCompressedGroup, PrefersANameToAPatternToAClass) {
  const auto model = Model("Linear");
  const auto group = [&](const char* name) {
    const auto found = FindCompressedGroup(model->Module(name));
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? (*found)->name : "";
  };
  EXPECT_EQ(group("a.mlp.up"), "group_2");
  EXPECT_EQ(group("b"), "group_2");
  EXPECT_EQ(group("a.mlp.down"), "group_1");
  EXPECT_EQ(group("a.attn.q"), "group_0");
}

TEST(FindCompressedGroup, NamesAModuleWithoutGroupAndAPatternThatFails) {
  const auto none = Model("Conv2d");
  const absl::Status missing = FindCompressedGroup(none->Module("a.attn.q")).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(missing.message(),
            "memory.safetensors: a.attn.q: is quantized, but no target of config_groups names it");
  const auto bad = Model("re:(");
  const absl::Status invalid = FindCompressedGroup(bad->Module("a")).status();
  EXPECT_EQ(invalid.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(invalid.message()),
              HasSubstr("a: config_groups.group_0.targets: the pat"));
}

}  // namespace
}  // namespace quantd
