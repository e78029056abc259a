#include "runtime/tokenizer/wordpiece_model.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

using testing::ElementsAre;

std::vector<int32_t> Encode(absl::string_view word, size_t longest_word = 100) {
  WordPieceRules rules;
  rules.starting = {{"un", 1}, {"a", 2}, {"é", 3}};
  rules.continuing = {{"a", 4}, {"aff", 5}, {"able", 6}, {"é", 7}};
  rules.unknown = 0;
  rules.longest_word = longest_word;
  const WordPieceModel model(std::move(rules));
  std::vector<int32_t> ids;
  model.NewEncoder()->Encode(word, &ids);
  return ids;
}

TEST(WordPieceModelTest, TakesTheLongestFromTheLeft) {
  EXPECT_THAT(Encode("unaffable"), ElementsAre(1, 5, 6));
  EXPECT_THAT(Encode("a"), ElementsAre(2));
  EXPECT_THAT(Encode("aa"), ElementsAre(2, 4));
  EXPECT_THAT(Encode("aé"), ElementsAre(2, 7));
}

TEST(WordPieceModelTest, AWordThatCannotBeCutUpIsUnknown) {
  EXPECT_THAT(Encode("unx"), ElementsAre(0));
  EXPECT_THAT(Encode("able"), ElementsAre(0)) << "\"a\" is taken, and \"ble\" is left";
  EXPECT_THAT(Encode("x"), ElementsAre(0));
}

TEST(WordPieceModelTest, LongWordsAreUnknown) {
  EXPECT_THAT(Encode("aéaé", 4), ElementsAre(2, 7, 4, 7));
  EXPECT_THAT(Encode("aéaé", 3), ElementsAre(0));
  EXPECT_EQ(Encode(std::string(4 << 20, 'a'), 8 << 20).size(), 4u << 20);
}

}  // namespace
}  // namespace quantd
