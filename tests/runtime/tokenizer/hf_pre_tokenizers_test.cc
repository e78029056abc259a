#include "runtime/tokenizer/hf_pre_tokenizers.h"

#include <string>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/runtime/tokenizer/hf_parts_test_util.h"

namespace quantd {
namespace {

// The words, joined by '|'.
std::string Split(const std::string& json, const std::string& text) {
  const PartJson part(json);
  auto pre_tokenizer = ReadHfPreTokenizer(part.value());
  EXPECT_TRUE(pre_tokenizer.ok()) << pre_tokenizer.status();
  if (!pre_tokenizer.ok()) return "";
  const Pieces pieces =
      PreTokenizer(std::move(pre_tokenizer->steps)).Split(text, /*text_start=*/true);
  return absl::StrJoin(pieces.list, "|");
}

TEST(HfPreTokenizersTest, EachKind) {
  EXPECT_EQ(Split("null", "a b"), "a b");
  EXPECT_EQ(Split(R"({"type": "Whitespace"})", "Hi, you_2!? é"), "Hi|,|you_2|!?|é");
  EXPECT_EQ(Split(R"({"type": "Whitespace"})", "a\u200db"), "a\u200db");
  EXPECT_EQ(Split(R"({"type": "WhitespaceSplit"})", " Hi, you\n"), "Hi,|you");
  EXPECT_EQ(Split(R"({"type": "BertPreTokenizer"})", "Hi, it's"), "Hi|,|it|'|s");
  EXPECT_EQ(Split(R"({"type": "Punctuation"})", "a,.b"), "a|,|.|b");
  EXPECT_EQ(Split(R"({"type": "Punctuation", "behavior": "Contiguous"})", "a,.b"), "a|,.|b");
  EXPECT_EQ(Split(R"({"type": "Digits"})", "a12b"), "a|12|b");
  EXPECT_EQ(Split(R"({"type": "Digits", "individual_digits": true})", "a12b½"), "a|1|2|b|½");
  EXPECT_EQ(Split(R"({"type": "CharDelimiterSplit", "delimiter": "-"})", "a-b--c"), "a|b|c");
  EXPECT_EQ(Split(R"({"type": "ByteLevel", "add_prefix_space": true})", "it's"), " it|'s");
  EXPECT_EQ(
      Split(R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": false})", "it's so"),
      "it's so");
}

TEST(HfPreTokenizersTest, SplitInEveryWay) {
  const auto split = [](const std::string& behavior, const std::string& more = "") {
    return Split(R"({"type": "Split", "pattern": {"Regex": "-+"}, "behavior": ")" + behavior +
                     "\"" + more + "}",
                 "a--b-");
  };
  EXPECT_EQ(split("Removed"), "a|b");
  EXPECT_EQ(split("Isolated"), "a|--|b|-");
  EXPECT_EQ(split("MergedWithPrevious"), "a--|b-");
  EXPECT_EQ(split("MergedWithNext"), "a|--b|-");
  EXPECT_EQ(split("Removed", R"(, "invert": true)"), "--|-");
  EXPECT_EQ(
      Split(R"({"type": "Split", "pattern": {"String": "-"}, "behavior": "Contiguous"})", "a--b"),
      "a|--|b");
}

TEST(HfPreTokenizersTest, MetaspaceOfAllAges) {
  const auto split = [](const std::string& more) {
    return Split(R"({"type": "Metaspace", "replacement": "_")" + more + "}", "a b");
  };
  EXPECT_EQ(split(""), "_a|_b");
  EXPECT_EQ(split(R"(, "add_prefix_space": true)"), "_a|_b");
  EXPECT_EQ(split(R"(, "add_prefix_space": false)"), "a|_b");
  EXPECT_EQ(split(R"(, "prepend_scheme": "never")"), "a|_b");
  EXPECT_EQ(split(R"(, "prepend_scheme": "first", "split": false)"), "_a_b");
}

TEST(HfPreTokenizersTest, SpellingIsLeftToTheModelOnlyAtTheEnd) {
  const PartJson last(R"({"type": "Sequence", "pretokenizers": [
      {"type": "Digits"}, {"type": "ByteLevel", "add_prefix_space": false}]})");
  const auto spelled = ReadHfPreTokenizer(last.value());
  ASSERT_TRUE(spelled.ok());
  EXPECT_TRUE(spelled->spells_bytes);
  EXPECT_EQ(spelled->name, "Digits+ByteLevel");
  const std::string first = R"({"type": "Sequence", "pretokenizers": [
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
      {"type": "Split", "pattern": {"String": "Ġ"}, "behavior": "MergedWithNext"}]})";
  const PartJson part(first);
  EXPECT_FALSE(ReadHfPreTokenizer(part.value())->spells_bytes);
  EXPECT_EQ(Split(first, "é b"), "Ã©|Ġb");
}

}  // namespace
}  // namespace quantd
