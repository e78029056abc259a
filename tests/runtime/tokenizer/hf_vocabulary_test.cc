#include "runtime/tokenizer/hf_vocabulary.h"

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

HfTokenizerFile Read(const std::string& text) {
  auto file = HfTokenizerFile::Parse(text, "tokenizer.json");
  EXPECT_TRUE(file.ok()) << file.status();
  return std::move(file).value();
}

TEST(HfVocabularyTest, ReadsObjectsInTheOrderOfTheFile) {
  const HfTokenizerFile file =
      Read(R"({"model": {"vocab": {"b": 2, "a": 7, "": 0}, "merges": ["a b", ["a", " "]]}})");
  EXPECT_FALSE(file.vocabulary.scored);
  EXPECT_THAT(file.vocabulary.texts, ElementsAre("b", "a", ""));
  EXPECT_THAT(file.vocabulary.ids, ElementsAre(2, 7, 0));
  EXPECT_TRUE(file.has_merges);
  EXPECT_THAT(file.merges, ElementsAre(Pair("a", "b"), Pair("a", " ")));
}

TEST(HfVocabularyTest, ReadsListsWithScores) {
  const HfTokenizerFile file = Read(R"({"model": {"vocab": [["a", -1.5], ["b", 0], ["c", -2]]}})");
  EXPECT_TRUE(file.vocabulary.scored);
  EXPECT_THAT(file.vocabulary.ids, ElementsAre(0, 1, 2));
  EXPECT_THAT(file.vocabulary.scores, ElementsAre(-1.5, 0, -2));
  EXPECT_FALSE(file.has_merges);
}

TEST(HfVocabularyTest, OtherPlacesAreOfTheTree) {
  const HfTokenizerFile file = Read(R"({"vocab": {"a": 1}, "model": {"x": {"vocab": {"b": 1}}}})");
  EXPECT_THAT(file.vocabulary.texts, IsEmpty());
  EXPECT_TRUE((*file.document->root().At("vocab")).is_object());
}

}  // namespace
}  // namespace quantd
