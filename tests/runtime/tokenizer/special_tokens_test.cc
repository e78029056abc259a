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
  return std::to_string(match->begin) + ":" + std::to_string(match->length) + ":" +
         std::to_string(match->id) + (match->control ? "!" : "");
}

TEST(SpecialTokensTest, TakesTheLeftmostAndThereTheLongest) {
  SpecialTokens tokens;
  tokens.Add("<a>", 1, false);
  tokens.Add("<a><b>", 2, false);
  tokens.Add("b><c><d>", 3, false);
  EXPECT_EQ(First(tokens, "x<a><b><c><d>", 0, false), "1:6:2");
  EXPECT_EQ(First(tokens, "x<a><b", 0, false), "1:3:1");
  EXPECT_EQ(First(tokens, "x<a><b><c><d>", 2, false), "5:8:3");
  EXPECT_EQ(First(tokens, "x<a", 0, false), "");
  EXPECT_EQ(First(tokens, "", 0, false), "");
}

TEST(SpecialTokensTest, SeesControlTokensOnlyWhenAsked) {
  SpecialTokens tokens;
  tokens.Add("<s>", 1, true);
  tokens.Add("<s", 2, false);
  tokens.Add("[x]", 3, true);
  EXPECT_EQ(First(tokens, "[x]<s>", 0, true), "0:3:3!");
  EXPECT_EQ(First(tokens, "[x]<s>", 1, true), "3:3:1!");
  EXPECT_EQ(First(tokens, "[x]<s>", 0, false), "3:2:2");
}

TEST(SpecialTokensTest, SeesNoControlTokenThatTouchesAPlainRange) {
  SpecialTokens tokens;
  tokens.Add("<s>", 1, true);
  tokens.Add("<s>[x]", 2, true);
  tokens.Add("[x]", 3, false);
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
  SpecialTokens tokens;
  tokens.Add("", 9, false);
  tokens.Add("aa", 1, false);
  tokens.Add("aa", 2, false);
  EXPECT_EQ(First(tokens, "aa", 0, false), "0:2:1");
  EXPECT_EQ(First(tokens, "bb", 0, false), "");
}

TEST(SpecialTokensTest, MatchesAnyBytes) {
  SpecialTokens tokens;
  tokens.Add(std::string("\0\xFF", 2), 7, false);
  EXPECT_EQ(First(tokens, std::string("a\0\0\xFF", 4), 0, false), "2:2:7");
}

}  // namespace
}  // namespace quantd
