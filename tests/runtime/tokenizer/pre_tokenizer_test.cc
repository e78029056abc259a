#include "runtime/tokenizer/pre_tokenizer.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "runtime/tokenizer/unicode_classes.h"

namespace quantd {
namespace {

// Words joined by '|'.
std::string Split(PreTokenizerSteps steps, absl::string_view text, bool text_start = true) {
  const PreTokenizer pre(std::move(steps));
  return absl::StrJoin(pre.Split(text, text_start).list, "|");
}

template <typename... Steps>
PreTokenizerSteps List(Steps... steps) {
  PreTokenizerSteps list;
  (list.push_back(std::move(steps)), ...);
  return list;
}

TEST(PreTokenizerTest, WithoutStepsTheTextIsOneWord) {
  EXPECT_EQ(Split({}, "a b"), "a b");
  EXPECT_EQ(Split({}, ""), "");
}

TEST(PreTokenizerTest, StepsCutFurther) {
  EXPECT_EQ(Split(List(SplitAt(IsWhiteSpace, SplitBehavior::kRemoved),
                       SplitAt(IsPunctuation, SplitBehavior::kIsolated)),
                  "it's \u3000 so。"),
            "it|'|s|so|。");
  EXPECT_EQ(Split(List(SplitAt(std::string("--"), SplitBehavior::kMergedWithNext)), "a---b"),
            "a|---b");
  EXPECT_EQ(Split(List(SplitAt(std::string(""), SplitBehavior::kIsolated)), "ab"), "ab");
}

TEST(PreTokenizerTest, MetaspacePutsItsMarkInFront) {
  const auto metaspace = [](PrependScheme scheme, absl::string_view text, bool text_start) {
    return Split(List(Metaspace("▁", scheme, true)), text, text_start);
  };
  EXPECT_EQ(metaspace(PrependScheme::kAlways, "a b  c", false), "▁a|▁b|▁|▁c");
  EXPECT_EQ(metaspace(PrependScheme::kAlways, " a", true), "▁a");
  EXPECT_EQ(metaspace(PrependScheme::kFirst, "a b", true), "▁a|▁b");
  EXPECT_EQ(metaspace(PrependScheme::kFirst, "a b", false), "a|▁b");
  EXPECT_EQ(metaspace(PrependScheme::kNever, "a b", true), "a|▁b");
  EXPECT_EQ(Split(List(Metaspace("▁", PrependScheme::kAlways, false)), "a b"), "▁a▁b");
}

TEST(PreTokenizerTest, OnlyThePieceThatStartsTheTextIsFirst) {
  EXPECT_EQ(Split(List(SplitAt(IsWhiteSpace, SplitBehavior::kRemoved),
                       Metaspace("▁", PrependScheme::kFirst, true)),
                  "a b"),
            "▁a|b");
  EXPECT_EQ(Split(List(SplitAt(IsWhiteSpace, SplitBehavior::kRemoved),
                       Metaspace("▁", PrependScheme::kFirst, true)),
                  " a b"),
            "a|b");
}

TEST(PreTokenizerTest, ByteLevelCutsAndPutsASpaceInFront) {
  EXPECT_EQ(Split(List(ByteLevelSplit(true, true)), "it's so"), " it|'s| so");
  EXPECT_EQ(Split(List(ByteLevelSplit(false, false)), "it's so"), "it's so");
  EXPECT_EQ(Split(List(SplitAt(IsWhiteSpace, SplitBehavior::kRemoved), ByteLevelSplit(true, false)),
                  "a b"),
            " a| b");
}

TEST(PreTokenizerTest, StepsAfterSpellingSeeTheAlphabet) {
  EXPECT_EQ(
      Split(List(SpellBytes(), SplitAt(std::string("Ġ"), SplitBehavior::kMergedWithNext)), "é b"),
      "Ã©|Ġb");
}

}  // namespace
}  // namespace quantd
