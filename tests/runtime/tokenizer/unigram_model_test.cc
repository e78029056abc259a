#include "runtime/tokenizer/unigram_model.h"

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<int32_t> Encode(const UnigramRules& rules, absl::string_view word) {
  const UnigramModel model(rules);
  std::vector<int32_t> ids;
  model.NewEncoder()->Encode(word, &ids);
  return ids;
}

UnigramRules Letters() {
  UnigramRules rules;
  rules.pieces = {{"a", 1, -2}, {"b", 2, -2}, {"ab", 3, -3}, {"aba", 4, -6}, {"é", 5, -1}};
  rules.lowest_score = -6;
  rules.unknown = 0;
  return rules;
}

TEST(UnigramModelTest, TakesTheBestSum) {
  EXPECT_THAT(Encode(Letters(), "ab"), ElementsAre(3));
  EXPECT_THAT(Encode(Letters(), "aba"), ElementsAre(3, 1));
  EXPECT_THAT(Encode(Letters(), "baé"), ElementsAre(2, 1, 5));
}

TEST(UnigramModelTest, OfEqualSumsTheOneFoundFirstStays) {
  UnigramRules rules;
  rules.pieces = {{"aa", 1, -2}, {"a", 2, -1}, {"aaa", 3, -3}};
  EXPECT_THAT(Encode(rules, "aaa"), ElementsAre(3));
  EXPECT_THAT(Encode(rules, "aaaa"), ElementsAre(2, 3));
}

TEST(UnigramModelTest, ARunOfUnknownCharactersIsOneToken) {
  EXPECT_THAT(Encode(Letters(), "a中文b中"), ElementsAre(1, 0, 2, 0));
  UnigramRules rules = Letters();
  rules.unknown.reset();
  EXPECT_THAT(Encode(rules, "a中b"), ElementsAre(1, 2));
  EXPECT_THAT(Encode(rules, "中"), IsEmpty());
}

TEST(UnigramModelTest, UnknownCharactersBecomeTheirBytesIfAllBytesHaveTokens) {
  UnigramRules rules = Letters();
  for (int byte = 0; byte < 256; ++byte) rules.byte_tokens[byte] = 100 + byte;
  EXPECT_THAT(Encode(rules, "aßÿb"),
              ElementsAre(1, 100 + 0xC3, 100 + 0x9F, 100 + 0xC3, 100 + 0xBF, 2));
  rules.byte_tokens[7] = -1;
  EXPECT_THAT(Encode(rules, "aß"), ElementsAre(1, 0));
}

// An unknown character costs less than a piece that scores worse.
TEST(UnigramModelTest, AnUnknownCharacterScoresTenLessThanTheWorst) {
  UnigramRules rules;
  rules.unknown = 0;
  rules.pieces = {{"xy", 1, -25.5}, {"z", 2, -1}};
  rules.lowest_score = -3;
  EXPECT_THAT(Encode(rules, "xy"), ElementsAre(1));
  rules.pieces[0].score = -26.5;
  EXPECT_THAT(Encode(rules, "xy"), ElementsAre(0));
}

double BestSum(const std::map<std::string, double>& pieces, const std::string& word) {
  std::vector<double> best(word.size() + 1, -std::numeric_limits<double>::infinity());
  best[0] = 0;
  for (size_t end = 1; end <= word.size(); ++end) {
    for (size_t begin = 0; begin < end; ++begin) {
      const auto piece = pieces.find(word.substr(begin, end - begin));
      if (piece != pieces.end()) best[end] = std::max(best[end], best[begin] + piece->second);
    }
  }
  return best[word.size()];
}

TEST(UnigramModelTest, IsTheBestOfAllWaysToCut) {
  std::mt19937 random(4);
  std::map<std::string, double> pieces = {{"a", -9}, {"b", -9}, {"c", -9}};
  for (int i = 0; i < 40; ++i) {
    std::string text;
    for (size_t n = 1 + random() % 5; n > 0; --n) text += static_cast<char>('a' + random() % 3);
    pieces.try_emplace(text, -static_cast<double>(random() % 1000) / 64);
  }
  UnigramRules rules;
  std::vector<std::string> texts;
  rules.unknown = 0;
  rules.lowest_score = -20;
  for (const auto& [text, score] : pieces) {
    texts.push_back(text);
    rules.pieces.push_back({text, static_cast<int32_t>(texts.size()), score});
  }
  for (int round = 0; round < 200; ++round) {
    std::string word, joined;
    for (size_t n = 1 + random() % 30; n > 0; --n) word += static_cast<char>('a' + random() % 3);
    double sum = 0;
    for (const int32_t id : Encode(rules, word)) {
      joined += texts[id - 1];
      sum += pieces[texts[id - 1]];
    }
    ASSERT_EQ(joined, word);
    ASSERT_EQ(sum, BestSum(pieces, word));
  }
}

TEST(UnigramModelTest, FourMegabytesOfOneCharacter) {
  UnigramRules rules;
  std::vector<std::string> runs;
  for (size_t length = 1; length <= 16; ++length) runs.emplace_back(length, 'a');
  for (const std::string& run : runs) {
    rules.pieces.push_back({run, static_cast<int32_t>(run.size()), -1});
  }
  EXPECT_THAT(Encode(rules, std::string(4 << 20, 'a')), Each(16));
  rules.unknown = 0;
  EXPECT_THAT(Encode(rules, std::string(4 << 20, 'b')), ElementsAre(0));
}

}  // namespace
}  // namespace quantd
