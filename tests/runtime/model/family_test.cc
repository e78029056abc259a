#include "runtime/model/family.h"

#include <optional>
#include <set>
#include <string>

#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

TEST(FamilyTest, AreFoundByTheNamesOfBothContainers) {
  ASSERT_NE(FindGgufFamily("llama"), nullptr);
  EXPECT_EQ(FindHfFamily("llama"), FindGgufFamily("llama"));
  EXPECT_EQ(FindHfFamily("mistral"), FindGgufFamily("llama"));
  EXPECT_EQ(FindHfFamily("mixtral"), FindGgufFamily("llama"));
  EXPECT_EQ(FindHfFamily("qwen3_moe"), FindGgufFamily("qwen3moe"));
  EXPECT_EQ(FindGgufFamily("mamba"), nullptr);
  EXPECT_EQ(FindHfFamily("mamba"), nullptr);
  EXPECT_EQ(FindHfFamily(""), nullptr);
}

TEST(FamilyTest, EveryPartHasOneNameEachWay) {
  for (const Family& family : Families()) {
    std::set<std::string> ours, hf;
    for (const auto group : family.parts) {
      for (const PartName& part : group) {
        EXPECT_TRUE(ours.insert(part.ours).second) << part.ours;
        EXPECT_TRUE(hf.insert(part.hf).second) << part.hf;
        const std::string here = absl::StrReplaceAll(part.ours, {{"*", "17"}});
        const std::string there = absl::StrReplaceAll(part.hf, {{"*", "17"}});
        EXPECT_EQ(OurPartName(family, there), here);
        EXPECT_EQ(HfPartName(family, here), there);
      }
    }
  }
}

TEST(FamilyTest, OtherNamesAreNoParts) {
  const Family& family = *FindHfFamily("llama");
  for (const char* name :
       {"", ".", "model", "model.layers", "model.layers.0", "model.layers.*.mlp.up_proj.0",
        "model.layers.x.mlp.up_proj", "model.layers..mlp.up_proj", "model.layers.-1.mlp.up_proj",
        "layers.0.mlp.up_proj", "model.embed_tokens.weight", "model.layers.0.self_attn.q_norm"}) {
    EXPECT_EQ(OurPartName(family, name), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace quantd
