#include "runtime/tokenizer/hf_bpe.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/tokenizer/hf_builder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;

std::vector<int32_t> Encode(const HfBuilder& file, const std::string& text) {
  const auto tokenizer = file.Load();
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? (*tokenizer)->Encode(text, {}) : std::vector<int32_t>();
}

TEST(HfBpeTest, MergesAsStringsAndAsPairs) {
  HfBuilder file;
  EXPECT_THAT(Encode(file, "abcda"), ElementsAre(7, 1));
  file.model["merges"] = R"([["a", "b"], ["c", "d"], ["ab", "cd"]])";
  EXPECT_THAT(Encode(file, "abcda"), ElementsAre(7, 1));
}

TEST(HfBpeTest, OfTwoEqualMergesTheLastCounts) {
  HfBuilder file;
  file.model["vocab"] = R"({"?": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "bc": 5})";
  file.model["merges"] = R"(["a b", "b c"])";
  EXPECT_THAT(Encode(file, "abc"), ElementsAre(4, 3));
  file.model["merges"] = R"(["a b", "b c", "a b"])";
  EXPECT_THAT(Encode(file, "abc"), ElementsAre(1, 5));
}

TEST(HfBpeTest, IgnoreMergesTakesAWholeWord) {
  HfBuilder file;
  file.model["merges"] = R"(["a b"])";
  EXPECT_THAT(Encode(file, "abcd"), ElementsAre(5, 3, 4));
  file.model["ignore_merges"] = "true";
  EXPECT_THAT(Encode(file, "abcd"), ElementsAre(7));
  EXPECT_THAT(Encode(file, "abcda"), ElementsAre(5, 3, 4, 1));
}

TEST(HfBpeTest, SuffixOfAWord) {
  HfBuilder file;
  file.members["pre_tokenizer"] = R"({"type": "WhitespaceSplit"})";
  file.model["end_of_word_suffix"] = R"("/")";
  file.model["vocab"] = R"({"?": 0, "a": 1, "b": 2, "a/": 3, "b/": 4, "ab": 5, "ab/": 6})";
  file.model["merges"] = R"(["a b", "a b/"])";
  EXPECT_THAT(Encode(file, "a ab aba abab"), ElementsAre(3, 6, 5, 3, 5, 6));
}

TEST(HfBpeTest, PrefixWithinAWord) {
  HfBuilder file;
  file.members["pre_tokenizer"] = R"({"type": "WhitespaceSplit"})";
  file.model["continuing_subword_prefix"] = R"("##")";
  file.model["vocab"] = R"({"?": 0, "a": 1, "b": 2, "##a": 3, "##b": 4, "ab": 5, "##ba": 6})";
  file.model["merges"] = R"(["a ##b", "##b ##a"])";
  EXPECT_THAT(Encode(file, "a ab bab bba"), ElementsAre(1, 5, 2, 3, 4, 2, 6));
}

TEST(HfBpeTest, BytesAreSpelledInTheAlphabet) {
  HfBuilder file;
  file.members["pre_tokenizer"] =
      R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": true})";
  file.model["vocab"] = R"({"?": 0, "a": 1, "Ġ": 2, "Ã": 3, "©": 4, "Ã©": 5, "Ġa": 6, "é": 7})";
  file.model["merges"] = R"(["Ã ©", "Ġ a"])";
  // "é" of the vocabulary is the byte E9, which is in no text.
  EXPECT_THAT(Encode(file, "a aéz"), ElementsAre(1, 6, 5, 0));
}

TEST(HfBpeTest, SpacesInTokensSeparateMerges) {
  HfBuilder file;
  file.model["vocab"] = R"({"?": 0, "a": 1, "▁": 2, "▁a": 3, "a▁": 4, "▁▁": 5})";
  file.model["merges"] = R"(["a ▁", "▁ a", "▁ ▁"])";
  EXPECT_THAT(Encode(file, "a▁a"), ElementsAre(4, 1));
  file.model["vocab"] = R"({"?": 0, "a": 1, "▁": 2, "▁a": 3, "▁▁": 5})";
  file.model["merges"] = R"(["▁ a", "▁ ▁"])";
  EXPECT_THAT(Encode(file, "a▁▁▁a▁a"), ElementsAre(1, 5, 3, 3));
}

}  // namespace
}  // namespace quantd
