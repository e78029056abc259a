#include "runtime/chat/unicode.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd::jinja {
namespace {

using ::testing::ElementsAre;

TEST(UnicodeTest, CountsCharacters) {
  const std::string text = "aé日🙂z";
  EXPECT_EQ(CountCharacters(text), 5u);
  EXPECT_EQ(CountCharacters(""), 0u);
  EXPECT_THAT(CharacterOffsets(text), ElementsAre(0, 1, 3, 6, 10, 11));
  EXPECT_EQ(OffsetOfCharacter(text, 0), 0u);
  EXPECT_EQ(OffsetOfCharacter(text, 3), 6u);
  EXPECT_EQ(OffsetOfCharacter(text, 99), 11u);
}

TEST(UnicodeTest, ShortensBetweenCharacters) {
  EXPECT_EQ(Shorten("aé日", 9), "aé日");
  EXPECT_EQ(Shorten("aé日", 5), "aé");
  EXPECT_EQ(Shorten("aé日", 2), "a");
  EXPECT_EQ(Shorten("日", 1), "");
}

TEST(UnicodeTest, EncodesEveryLength) {
  std::string text;
  for (const char32_t code : {U'a', U'\u00e9', U'\u65e5', U'\U0001F642'}) {
    AppendCharacter(code, &text);
  }
  EXPECT_EQ(text, "aé日🙂");
}

TEST(UnicodeTest, WhiteSpaceIsPythons) {
  const std::string text = "\x1c \u00a0\u2003\u3000x\u0085\n";
  EXPECT_EQ(text.substr(SkipSpace(text, 0), 1), "x");
  EXPECT_EQ(text[TrimSpaceEnd(text, 0, text.size()) - 1], 'x');
  EXPECT_EQ(SkipSpace("  ", 0), 2u);
  EXPECT_EQ(TrimSpaceEnd("  ", 0, 2), 0u);
  EXPECT_FALSE(IsSpace(U'\u200b'));
  EXPECT_FALSE(IsSpace(U'_'));
}

TEST(UnicodeTest, CaseDoesNotDependOnTheLocale) {
  EXPECT_EQ(ToUpper(U'é'), U'É');
  EXPECT_EQ(ToLower(U'Я'), U'я');
  EXPECT_EQ(ToUpper(U'日'), U'日');
  EXPECT_TRUE(IsAlpha(U'é') && IsAlpha(U'日') && IsAlpha(U'z'));
  EXPECT_FALSE(IsAlpha(U'1') || IsAlpha(U' ') || IsAlpha(U'🙂'));
  EXPECT_TRUE(IsUpper(U'É') && IsLower(U'é') && !IsLower(U'É'));
  EXPECT_TRUE(IsPrintable(U'é') && IsPrintable(U'🙂') && IsPrintable(U' '));
  EXPECT_FALSE(IsPrintable(U'\u200b') || IsPrintable(U'\n') || IsPrintable(U'\u00a0'));
}

}  // namespace
}  // namespace quantd::jinja
