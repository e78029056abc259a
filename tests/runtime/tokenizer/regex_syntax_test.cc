#include "runtime/tokenizer/regex_syntax.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

using testing::HasSubstr;

std::string Translate(absl::string_view pattern) {
  const auto translated = TranslateRegex(pattern);
  return translated.ok() ? *translated : std::string(translated.status().message());
}

TEST(RegexSyntaxTest, LeavesWhatMeansTheSame) {
  for (const char* pattern :
       {"", "a|b", R"(\r\n\.\\\[\bx\B\A\z)", "(?i:'s|'t)", "(?<!a)(?=b)(?!c)(?<=d)(?>e)(?:f)",
        "[a-z_-]+", "[]a]", "[^]a]", R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~])",
        R"([^\r\n\p{L}\p{N}]?\p{L}+|\P{Lu}{1,3})", "[[:alpha:]x]", "\\x41", "\\x{41}", "中+"}) {
    EXPECT_EQ(Translate(pattern), pattern);
  }
}

TEST(RegexSyntaxTest, SpellsOutShorthands) {
  const std::string space = Translate(R"(\s)");
  EXPECT_THAT(space, HasSubstr(R"(\x{3000})"));
  EXPECT_EQ(Translate(R"(\S)"), "[^" + space.substr(1));
  EXPECT_EQ(Translate(R"([^\sa])"), "[^" + space.substr(1, space.size() - 2) + "a]");
  EXPECT_EQ(Translate(R"([a\S])"), "(?:[a]|[^" + space.substr(1) + ")");
  EXPECT_EQ(Translate(R"([\S])"), "(?:[^" + space.substr(1) + ")");
  EXPECT_EQ(Translate(R"(\d\D[\d])"), R"([\p{Nd}][^\p{Nd}][\p{Nd}])");
  EXPECT_EQ(Translate(R"(\h)"), "[0-9A-Fa-f]");
  EXPECT_EQ(Translate(R"(\w)"), R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}])");
}

TEST(RegexSyntaxTest, NamesPropertiesAsPcre2Does) {
  EXPECT_EQ(Translate(R"(\p{^L}\P{^Nd})"), R"(\P{L}\p{Nd})");
  EXPECT_EQ(Translate(R"(\p{Letter}\p{Other_Number}\p{Decimal-Number})"), R"(\p{L}\p{No}\p{Nd})");
  EXPECT_EQ(Translate(R"([\p{Han}\P{Greek}])"), R"([\p{sc:Han}\P{sc:Greek}])");
  EXPECT_EQ(Translate(R"(\p{Alpha}\p{Space}\p{Punct})"), R"(\p{Alphabetic}\p{White_Space}\p{P})");
  EXPECT_EQ(Translate(R"(\p{L)"), R"(\p{L)");
}

TEST(RegexSyntaxTest, WritesCodePointsAsThemselves) {
  EXPECT_EQ(Translate(R"([\x{4E00}-\x{9FA5}]\u3042\x{1F600})"), "[一-龥]あ😀");
  EXPECT_EQ(Translate(R"(\x{110000}\x{D800}\x{zz}\u00)"), R"(\x{110000}\x{D800}\x{zz}\u00)");
}

TEST(RegexSyntaxTest, ResolvesSetsWithinSets) {
  EXPECT_EQ(Translate("[a[bc]d]"), "[abcd]");
  EXPECT_EQ(Translate("[a[^bc]]"), "(?:[a]|[^bc])");
  EXPECT_EQ(Translate("[a-z&&[^aeiou]]"), "(?:(?=[a-z])(?:[^aeiou]))");
  EXPECT_EQ(Translate("[^a-z&&b-y]x"), "(?:(?!(?:(?=[a-z])[b-y]))(?s:.))x");
  EXPECT_EQ(Translate("[[[[a]]]]"), "[a]");
}

TEST(RegexSyntaxTest, TheRubyOptionForDotsIsPcre2sS) {
  EXPECT_EQ(Translate("(?m:.)(?im-x:a)(?i)b(?x)c"), "(?s:.)(?is-x:a)(?i)b(?x)c");
  EXPECT_EQ(Translate("(?m"), "(?m");
}

TEST(RegexSyntaxTest, RefusesVerbsAndDeepSets) {
  EXPECT_EQ(TranslateRegex("(*UTF)a").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TranslateRegex(std::string(1000, '[')).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(RegexSyntaxTest, UnfinishedPatternsStayUnfinished) {
  for (const char* pattern :
       {"\\", "[", "[^", "[a", "[a&&", "[a\\", "[[:", "[[:alpha", "(?", "("}) {
    EXPECT_TRUE(TranslateRegex(pattern).ok()) << pattern;
  }
}

}  // namespace
}  // namespace quantd
