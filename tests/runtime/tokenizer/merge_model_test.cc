#include "runtime/tokenizer/merge_model.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
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
  const MergeModel model(std::move(rules), {}, false);
  EXPECT_THAT(Encode(model, "é\xA9"), ElementsAre(2, 1));
}

TEST(MergeModelTest, WhatIsNoTokenFallsBack) {
  const auto encode_with = [](absl::FunctionRef<void(MergeRules&)> set) {
    MergeRules rules = Letters();
    set(rules);
    return Encode(MergeModel(std::move(rules), {}, false), "acxa");
  };
  EXPECT_THAT(encode_with([](MergeRules&) {}), ElementsAre(0, 0));
  EXPECT_THAT(encode_with([](MergeRules& rules) { rules.last_resort = "bab"; }),
              ElementsAre(0, 1, 3, 1, 3, 0));
  // What has no token itself stands for nothing.
  EXPECT_THAT(encode_with([](MergeRules& rules) { rules.last_resort = "x"; }), ElementsAre(0, 0));
  EXPECT_THAT(encode_with([](MergeRules& rules) { rules.unknown = 2; }), ElementsAre(0, 2, 0));
  const auto apart = [](MergeRules& rules) {
    rules.unknown = 2;
    rules.fuse_unknown = false;
  };
  EXPECT_THAT(encode_with(apart), ElementsAre(0, 2, 2, 0));
  EXPECT_THAT(encode_with([&](MergeRules& rules) {
                apart(rules);
                rules.byte_tokens['c'] = 3;
              }),
              ElementsAre(0, 3, 2, 0));
}

TEST(MergeModelTest, ARunOfUnknownCharactersEndsWithTheWord) {
  MergeRules rules = Letters();
  rules.unknown = 2;
  const MergeModel model(std::move(rules), {}, false);
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
  const MergeModel model(std::move(rules), {}, false);
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
  const auto rules = [](const char* word_start) {
    MergeRules rules;
    rules.vocab_size = 8;
    rules.symbols[0].Set('a', 0);
    rules.symbols[0].Set(0x2581, 1);
    rules.merges.Add(1, 0, {0, 2});  // "▁a"
    rules.merges.Add(1, 1, {1, 3});  // "▁▁"
    rules.merges.Add(3, 2, {2, 4});  // "▁▁▁a"
    rules.unknown = 7;
    rules.word_start = word_start;
    return rules;
  };
  const MergeModel whole(rules(""), {}, false), cut(rules("▁"), {}, false);
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
