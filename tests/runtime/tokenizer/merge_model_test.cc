#include "runtime/tokenizer/merge_model.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<int32_t> Encode(const MergeModel& model, absl::string_view word) {
  std::vector<int32_t> ids;
  model.NewEncoder()->Encode(word, &ids);
  return ids;
}

// "a" 0, "b" 1, "é" 2, "ab" 3, "abé" 4; the symbol 9 of "c" is no token.
MergeRules Letters() {
  MergeRules rules;
  rules.vocab_size = 5;
  rules.symbols[0].Set('a', 0);
  rules.symbols[0].Set('b', 1);
  rules.symbols[0].Set(0xE9, 2);
  rules.symbols[0].Set('c', 9);
  rules.merges.Add(0, 1, {0, 3});
  rules.merges.Add(3, 2, {1, 4});
  return rules;
}

TEST(MergeModelTest, JoinsCharacters) {
  const MergeModel model(Letters(), {}, false);
  EXPECT_THAT(Encode(model, "abé"), ElementsAre(4));
  EXPECT_THAT(Encode(model, "baé"), ElementsAre(1, 0, 2));
}

TEST(MergeModelTest, JoinsBytes) {
  MergeRules rules;
  rules.unit = MergeRules::Unit::kByte;
  rules.vocab_size = 3;
  rules.symbols[0].Set(0xC3, 0);
  rules.symbols[0].Set(0xA9, 1);
  rules.merges.Add(0, 1, {0, 2});
  const MergeModel model(rules, {}, false);
  EXPECT_THAT(Encode(model, "é\xA9"), ElementsAre(2, 1));
}

TEST(MergeModelTest, WhatIsNoTokenFallsBack) {
  MergeRules rules = Letters();
  EXPECT_THAT(Encode(MergeModel(rules, {}, false), "acxa"), ElementsAre(0, 0));
  rules.last_resort = {1, 1};
  EXPECT_THAT(Encode(MergeModel(rules, {}, false), "acxa"), ElementsAre(0, 1, 1, 1, 1, 0));
  rules.unknown = 2;
  EXPECT_THAT(Encode(MergeModel(rules, {}, false), "acxa"), ElementsAre(0, 2, 0));
  rules.fuse_unknown = false;
  EXPECT_THAT(Encode(MergeModel(rules, {}, false), "acxa"), ElementsAre(0, 2, 2, 0));
  rules.byte_tokens['c'] = 3;
  EXPECT_THAT(Encode(MergeModel(rules, {}, false), "acxa"), ElementsAre(0, 3, 2, 0));
}

TEST(MergeModelTest, ARunOfUnknownCharactersEndsWithTheWord) {
  MergeRules rules = Letters();
  rules.unknown = 2;
  const MergeModel model(rules, {}, false);
  const auto encoder = model.NewEncoder();
  std::vector<int32_t> ids;
  encoder->Encode("xx", &ids);
  encoder->Encode("x", &ids);
  EXPECT_THAT(ids, ElementsAre(2, 2));
}

TEST(MergeModelTest, SymbolsMayDependOnThePlace) {
  MergeRules rules;
  rules.by_place = true;
  rules.vocab_size = 10;
  for (int place = 0; place < 4; ++place) rules.symbols[place].Set('a', place);
  rules.merges.Add(1, 2, {0, 7});
  const MergeModel model(rules, {}, false);
  EXPECT_THAT(Encode(model, "a"), ElementsAre(3));
  EXPECT_THAT(Encode(model, "aa"), ElementsAre(0, 2));
  EXPECT_THAT(Encode(model, "aaaa"), ElementsAre(0, 1, 7));
}

TEST(MergeModelTest, WholeWordsNeedNoMerging) {
  const std::vector<MergeModel::WholeWord> words = {{"ab", 3}, {"ba", 4}, {"", 1}};
  EXPECT_THAT(Encode(MergeModel(Letters(), words, false), "ba"), ElementsAre(1, 0));
  EXPECT_THAT(Encode(MergeModel(Letters(), words, true), "ba"), ElementsAre(4));
  EXPECT_THAT(Encode(MergeModel(Letters(), words, true), "bab"), ElementsAre(1, 3));
}

TEST(MergeModelTest, CuttingAtWordStartsChangesNothing) {
  MergeRules rules;
  rules.vocab_size = 8;
  rules.symbols[0].Set('a', 0);
  rules.symbols[0].Set(0x2581, 1);
  rules.merges.Add(1, 0, {0, 2});  // "▁a"
  rules.merges.Add(1, 1, {1, 3});  // "▁▁"
  rules.merges.Add(3, 2, {2, 4});  // "▁▁▁a"
  rules.unknown = 7;
  const MergeModel whole(rules, {}, false);
  rules.word_start = "▁";
  const MergeModel cut(rules, {}, false);
  for (const char* text : {"a", "▁", "▁▁", "a▁", "a▁a", "▁a▁▁▁a", "▁▁▁▁▁aa▁▁a▁", "x▁x▁▁yx", "éé▁▁a",
                           "a▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁a"}) {
    EXPECT_EQ(Encode(cut, text), Encode(whole, text)) << text;
  }
}

TEST(MergeModelTest, KnowsTokensThatSpanWords) {
  EXPECT_FALSE(HasInnerWordStart("▁▁ab", "▁"));
  EXPECT_FALSE(HasInnerWordStart("ab", "▁"));
  EXPECT_FALSE(HasInnerWordStart("", "▁"));
  EXPECT_TRUE(HasInnerWordStart("a▁", "▁"));
  EXPECT_TRUE(HasInnerWordStart("▁a▁b", "▁"));
}

TEST(MergeModelTest, ATextWithoutAnyTokensIsEmpty) {
  EXPECT_THAT(Encode(MergeModel(MergeRules(), {}, false), "abc"), IsEmpty());
}

}  // namespace
}  // namespace quantd
