#include "runtime/chat/string_ops.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd::jinja {
namespace {

using ::testing::ElementsAre;

TEST(StringOpsTest, FindsInLinearTime) {
  EXPECT_EQ(FindBytes("abcabc", "c"), 2u);
  EXPECT_EQ(FindBytes("abcabc", "c", 3), 5u);
  EXPECT_EQ(FindBytes("abc", "", 3), 3u);
  EXPECT_EQ(FindBytes("abc", "x"), absl::string_view::npos);
  EXPECT_EQ(FindBytes("abc", "a", 9), absl::string_view::npos);
  // A search that compares anew at every place would take half a minute.
  const std::string text(2'000'000, 'a'), wanted = std::string(1'000'000, 'a') + "b";
  EXPECT_EQ(FindBytes(text, wanted), absl::string_view::npos);
}

TEST(StringOpsTest, SearchingFromTheEndTakesStepsForLongTexts) {
  Budget budget{Limits()};
  const std::string text(1'000'000, 'a');
  EXPECT_EQ(*FindLastBytes("abcabc", "b", budget), 4u);
  const std::string wanted = "b" + std::string(500'000, 'a');
  EXPECT_TRUE(absl::IsResourceExhausted(FindLastBytes(text, wanted, budget).status()));
}

TEST(StringOpsTest, SplitsLinesAsPythonDoes) {
  using R = TextRange;
  EXPECT_THAT(SplitLines("a\nb\r\nc", false), ElementsAre(R{0, 1}, R{2, 3}, R{5, 6}));
  EXPECT_THAT(SplitLines("a\nb\r\n", true), ElementsAre(R{0, 2}, R{2, 5}));
  EXPECT_THAT(SplitLines("\n\n", false), ElementsAre(R{0, 0}, R{1, 1}));
  EXPECT_THAT(SplitLines("a\u2028b\x0b", false), ElementsAre(R{0, 1}, R{4, 5}));
  EXPECT_THAT(SplitLines("", false), ElementsAre());
}

TEST(StringOpsTest, MarkupIsEscapedOnce) {
  Budget budget{Limits()};
  const Value escaped = *EscapeHtml(MakeString("<a & 'b' \"c\">"), budget);
  EXPECT_EQ(escaped.bytes(), "&lt;a &amp; &#39;b&#39; &#34;c&#34;&gt;");
  EXPECT_TRUE(escaped.markup());
  EXPECT_EQ(EscapeHtml(escaped, budget)->bytes(), escaped.bytes());
  EXPECT_EQ(EscapeHtml(*AsMarkup(MakeString("<"), budget), budget)->bytes(), "<");
}

}  // namespace
}  // namespace quantd::jinja
