#include "runtime/tokenizer/regex.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Matches(absl::string_view pattern, absl::string_view text,
                                 Regex::Cost cost, bool compiled = true) {
  const auto regex = Regex::Compile(pattern, cost, compiled);
  EXPECT_TRUE(regex.ok()) << regex.status();
  std::vector<std::string> matches;
  if (!regex.ok()) return matches;
  RegexSearch search(text.size());
  search.Start(*regex, text);
  size_t begin = 0, end = 0;
  while (search.Next(&begin, &end)) {
    matches.push_back(std::to_string(begin) + ":" + std::string(text.substr(begin, end - begin)));
  }
  EXPECT_FALSE(search.Next(&begin, &end));
  return matches;
}

class RegexTest : public testing::TestWithParam<std::tuple<Regex::Cost, bool>> {
 protected:
  std::vector<std::string> Find(absl::string_view pattern, absl::string_view text) {
    return Matches(pattern, text, std::get<0>(GetParam()), std::get<1>(GetParam()));
  }
};

TEST_P(RegexTest, FindsMatchesFromLeftToRight) {
  EXPECT_THAT(Find("a+", "baaca"), ElementsAre("1:aa", "4:a"));
  EXPECT_THAT(Find("aa", "aaaaa"), ElementsAre("0:aa", "2:aa"));
  EXPECT_THAT(Find("x", "abc"), IsEmpty());
  EXPECT_THAT(Find("a", ""), IsEmpty());
  EXPECT_THAT(Find("[中é]", "a中bé"), ElementsAre("1:中", "5:é"));
}

TEST_P(RegexTest, EmptyMatchesDoNotTouchTheOneBefore) {
  EXPECT_THAT(Find("x*", "axxb"), ElementsAre("0:", "1:xx", "4:"));
  EXPECT_THAT(Find("(?=中)", "中中"), ElementsAre("0:", "3:"));
  EXPECT_THAT(Find("", ""), ElementsAre("0:"));
}

TEST_P(RegexTest, LinesEndAtLineFeeds) {
  EXPECT_THAT(Find("^.", "ab\ncd\r\n"), ElementsAre("0:a", "3:c"));
  EXPECT_THAT(Find(".$", "ab\ncd"), ElementsAre("1:b", "4:d"));
  EXPECT_THAT(Find("(?m:a.b)", "a\nb"), ElementsAre("0:a\nb"));
}

TEST_P(RegexTest, ScriptsAreScripts) {
  // U+3001 is common to several scripts, of which Han is one.
  EXPECT_THAT(Find(R"(\p{Han}+)", "中、中"), ElementsAre("0:中", "6:中"));
}

TEST_P(RegexTest, LooksBehindTheStart) {
  EXPECT_THAT(Find("(?<=a)b|(?<!a)c", "abcac"), ElementsAre("1:b", "2:c"));
}

// Longer than what a try has in view at first.
TEST_P(RegexTest, FindsLongMatches) {
  const std::string run(100'000, 'a');
  EXPECT_THAT(Find("a+b?", "x" + run + "b"), ElementsAre("1:" + run + "b"));
  EXPECT_THAT(Find("a+(?!b)|a+b", run + "b" + run),
              ElementsAre("0:" + run.substr(1), "99999:ab", "100001:" + run));
  const std::string wide = [] {
    std::string text;
    for (int i = 0; i < 10'000; ++i) text += "中";
    return text;
  }();
  EXPECT_THAT(Find(R"(\p{L}+)", wide + " " + wide), ElementsAre("0:" + wide, "30001:" + wide));
}

INSTANTIATE_TEST_SUITE_P(EveryWay, RegexTest,
                         testing::Combine(testing::Values(Regex::Cost::kLinear,
                                                          Regex::Cost::kBounded),
                                          testing::Bool()));

// Each of these would take longer than the universe is old, or at least for hours.
TEST(RegexBoundTest, CatastrophicPatternsEnd) {
  const std::string run(1 << 18, 'a'), spaces(1 << 18, ' ');
  for (const char* pattern :
       {"(a+)+b", "(a|aa)+$b", "(a*)*b", "(?:a?){30}a{30}b", "(.*)(.*)(.*)(.*)(.*)b", "a+b", "a*?b",
        R"((\w+\s?)+!)", R"(\s+$)", R"((?=(a+))\1b)", "(?<=a)a+b", "((a{1,99}){1,99})b"}) {
    for (const bool compiled : {true, false}) {
      Matches(pattern, run + "x", Regex::Cost::kBounded, compiled);
      Matches(pattern, spaces + "x", Regex::Cost::kBounded, compiled);
    }
  }
}

// The bound is on all that one search does, not on each text.
TEST(RegexBoundTest, IsSharedByTheTextsOfASearch) {
  const auto regex = Regex::Compile("a+b", Regex::Cost::kBounded);
  ASSERT_TRUE(regex.ok());
  const std::string run(1 << 16, 'a');
  RegexSearch search(run.size());
  size_t begin = 0, end = 0;
  for (int i = 0; i < 1000; ++i) {
    search.Start(*regex, run);
    EXPECT_FALSE(search.Next(&begin, &end));
  }
  search.Start(*regex, "aab");
  EXPECT_FALSE(search.Next(&begin, &end)) << "nothing is left";
  RegexSearch fresh(3);
  fresh.Start(*regex, "aab");
  EXPECT_TRUE(fresh.Next(&begin, &end));
}

TEST(RegexBoundTest, ALongTextOfShortMatchesIsNotCutOff) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "word 123 ";
  EXPECT_EQ(Matches(R"([a-z]+|\d+|\s)", text, Regex::Cost::kBounded).size(), 400'000u);
}

TEST(RegexErrorTest, SaysWhatIsWrong) {
  const auto error = [](absl::string_view pattern) {
    const auto regex = Regex::Compile(pattern, Regex::Cost::kBounded);
    EXPECT_EQ(regex.status().code(), absl::StatusCode::kInvalidArgument) << pattern;
    return std::string(regex.status().message());
  };
  EXPECT_THAT(error("(a"), HasSubstr("parenthesis"));
  EXPECT_THAT(error("a\\C"), HasSubstr("\\C"));
  EXPECT_THAT(error(R"(\p{Klingon})"), HasSubstr("unknown property"));
  EXPECT_THAT(error("(*LIMIT_MATCH=1)a"), HasSubstr("(*"));
  EXPECT_THAT(error(std::string(70'000, 'a')), HasSubstr("70000 bytes"));
  EXPECT_THAT(error("((((a{1,999}){1,999}){1,999}){1,999})"), HasSubstr("too large"));
  error(std::string(10'000, '('));
}

}  // namespace
}  // namespace quantd
