#include "runtime/tokenizer/special_tokens.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quantd {
namespace {

// begin:length:id of the first match, with a '!' when it is a control token; "" when there is none.
std::string First(const SpecialTokens& tokens, absl::string_view text, size_t from, bool control,
                  const std::vector<TextRange>& plain = {}) {
  const auto match = tokens.Find(text, from, control, plain);
  if (!match) return "";
  return std::to_string(match->begin) + ":" + std::to_string(match->end - match->begin) + ":" +
         std::to_string(match->id) + (match->control ? "!" : "");
}

TEST(SpecialTokensTest, TakesTheLeftmostAndThereTheLongest) {
  const SpecialTokens tokens({{"<a>", 1}, {"<a><b>", 2}, {"b><c><d>", 3}});
  EXPECT_EQ(First(tokens, "x<a><b><c><d>", 0, false), "1:6:2");
  EXPECT_EQ(First(tokens, "x<a><b", 0, false), "1:3:1");
  EXPECT_EQ(First(tokens, "x<a><b><c><d>", 2, false), "5:8:3");
  EXPECT_EQ(First(tokens, "x<a", 0, false), "");
  EXPECT_EQ(First(tokens, "", 0, false), "");
}

TEST(SpecialTokensTest, SeesControlTokensOnlyWhenAsked) {
  const SpecialTokens tokens({{"<s>", 1, true}, {"<s", 2}, {"[x]", 3, true}});
  EXPECT_EQ(First(tokens, "[x]<s>", 0, true), "0:3:3!");
  EXPECT_EQ(First(tokens, "[x]<s>", 1, true), "3:3:1!");
  EXPECT_EQ(First(tokens, "[x]<s>", 0, false), "3:2:2");
}

TEST(SpecialTokensTest, SeesNoControlTokenThatTouchesAPlainRange) {
  const SpecialTokens tokens({{"<s>", 1, true}, {"<s>[x]", 2, true}, {"[x]", 3}});
  const std::string text = "<s>[x]<s>";
  EXPECT_EQ(First(tokens, text, 0, true, {}), "0:6:2!");
  EXPECT_EQ(First(tokens, text, 0, true, {{6, 9}}), "0:6:2!");
  EXPECT_EQ(First(tokens, text, 0, true, {{5, 6}}), "0:3:1!") << "a shorter one is free of it";
  EXPECT_EQ(First(tokens, text, 0, true, {{0, 1}}), "3:3:3") << "user-defined ones stay";
  EXPECT_EQ(First(tokens, text, 0, true, {{2, 4}}), "3:3:3");
  EXPECT_EQ(First(tokens, text, 4, true, {{0, 2}, {3, 6}}), "6:3:1!");
  EXPECT_EQ(First(tokens, text, 4, true, {{8, 9}}), "");
  EXPECT_EQ(First(tokens, text, 4, true, {{7, 8}}), "");
  EXPECT_EQ(First(tokens, text, 4, false, {{0, 2}}), "");
}

TEST(SpecialTokensTest, FirstOfEqualTokensWinsAndEmptyOnesAreIgnored) {
  const SpecialTokens tokens({{"", 9}, {"aa", 1}, {"aa", 2}});
  EXPECT_EQ(First(tokens, "aa", 0, false), "0:2:1");
  EXPECT_EQ(First(tokens, "bb", 0, false), "");
}

TEST(SpecialTokensTest, MatchesAnyBytes) {
  const SpecialTokens tokens({{std::string("\0\xFF", 2), 7}});
  EXPECT_EQ(First(tokens, std::string("a\0\0\xFF", 4), 0, false), "2:2:7");
}

TEST(SpecialTokensTest, TakesWhiteSpaceWithIt) {
  const SpecialTokens tokens({{.text = "<l>", .id = 1, .lstrip = true},
                              {.text = "<r>", .id = 2, .rstrip = true},
                              {.text = "<m>", .id = 3, .control = true, .lstrip = true}});
  EXPECT_EQ(First(tokens, "a \u3000\n<l> b", 0, false), "1:8:1");
  EXPECT_EQ(First(tokens, "a <r> \u3000\nb", 0, false), "2:8:2");
  EXPECT_EQ(First(tokens, " <r> ", 0, false), "1:4:2");
  EXPECT_EQ(First(tokens, "  <l>", 1, false), "1:4:1") << "what was taken before stays";
  EXPECT_EQ(First(tokens, " \x80 <l>", 0, false), "2:4:1") << "such a byte is no space";
  EXPECT_EQ(First(tokens, "  <m>", 0, true), "0:5:3!");
}

TEST(SpecialTokensTest, SingleWordsStandAlone) {
  const SpecialTokens tokens(
      {{.text = "day", .id = 1, .single_word = true}, {.text = "!", .id = 2}});
  EXPECT_EQ(First(tokens, "day", 0, false), "0:3:1");
  EXPECT_EQ(First(tokens, "a day.", 0, false), "2:3:1");
  EXPECT_EQ(First(tokens, "days day", 0, false), "5:3:1");
  EXPECT_EQ(First(tokens, "today!", 0, false), "5:1:2");
  EXPECT_EQ(First(tokens, "\u00E9day day_ \u0300day day\u0300 9day", 0, false), "");
  EXPECT_EQ(First(tokens, "\u2014day", 0, false), "3:3:1");
}

}  // namespace
}  // namespace quantd
