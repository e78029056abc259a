#include "runtime/engine/stop.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quantd {
namespace {

struct Found {
  std::string text;
  int matched = -1;
};

// The match that ends first, of several the longest, searched in the whole text at once.
Found NaiveSearch(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    Found found;
    size_t longest = 0;
    for (size_t i = 0; i < stops.size(); ++i) {
      const size_t n = stops[i].size();
      if (n <= end && n > longest && text.compare(end - n, n, stops[i]) == 0) {
        longest = n;
        found = {text.substr(0, end - n), static_cast<int>(i)};
      }
    }
    if (longest > 0) return found;
  }
  return {text, -1};
}

TEST(StopStringsTest, FindsAcrossPieces) {
  StopStrings stops({"</s>", "END"});
  EXPECT_EQ(stops.Push("hello <", true).text, "hello ");
  EXPECT_EQ(stops.Push("/", true).text, "");
  const auto last = stops.Push("s>rest", true);
  EXPECT_EQ(last.text, "");
  EXPECT_EQ(last.matched, 0);
  EXPECT_EQ(stops.string(last.matched), "</s>");
}

TEST(StopStringsTest, ReleasesWhatTurnsOutHarmless) {
  StopStrings stops({"abcabd"});
  EXPECT_EQ(stops.Push("xabcab", true).text, "x");
  // "abcabc": only the last "abc" can still begin the stop string.
  EXPECT_EQ(stops.Push("c", true).text, "abc");
  EXPECT_EQ(stops.Push("!", true).text, "abc!");
  EXPECT_EQ(stops.Push("abc", true).text, "");
  EXPECT_EQ(stops.Flush(), "abc");
  EXPECT_EQ(stops.Flush(), "");
}

TEST(StopStringsTest, WithoutStringsEverythingPasses) {
  StopStrings stops({});
  EXPECT_EQ(stops.Push("abc", true).text, "abc");
  EXPECT_EQ(stops.Flush(), "");
}

TEST(StopStringsTest, NotArmedPassesOverButCountsWhatEndsLater) {
  StopStrings stops({"aa"});
  EXPECT_EQ(stops.Push("xaay", false).text, "xaay");
  EXPECT_EQ(stops.Push("a", false).text, "");
  const auto result = stops.Push("a", true);
  EXPECT_EQ(result.matched, 0);
  EXPECT_EQ(result.text, "");
}

TEST(StopStringsTest, PassedOverMatchOverlapsTheNext) {
  StopStrings stops({"aa"});
  EXPECT_EQ(stops.Push("aa", false).text, "a");
  EXPECT_EQ(stops.Push("a", true).matched, 0);
}

TEST(StopStringsTest, HoldsBackOnlyPossibleStarts) {
  StopStrings stops({"stop"});
  EXPECT_EQ(stops.Push("st", true).text, "");
  EXPECT_EQ(stops.Push("ay", true).text, "stay");
}

// Any cut of any text gives what a search of the whole text gives, and holds back nothing that
// could not be the start of a stop string.
TEST(StopStringsTest, RandomTextsEqualNaiveSearch) {
  std::mt19937 rng(11);
  int matches = 0;
  for (int round = 0; round < 20000; ++round) {
    const int letters = 1 + rng() % 3;
    const auto random_string = [&](int n) {
      std::string s;
      for (int i = 0; i < n; ++i) s += static_cast<char>('a' + rng() % letters);
      return s;
    };
    std::vector<std::string> stops;
    for (int i = 0, n = rng() % 5; i < n; ++i) stops.push_back(random_string(1 + rng() % 7));
    const std::string text = random_string(rng() % 40);
    const Found expected = NaiveSearch(text, stops);
    StopStrings streaming(stops);
    Found got;
    size_t at = 0;
    while (at < text.size() && got.matched < 0) {
      const size_t n = 1 + rng() % 5;
      const auto result = streaming.Push(text.substr(at, n), true);
      at = std::min(text.size(), at + n);
      got.text += result.text;
      got.matched = result.matched;
      if (got.matched >= 0) break;
      const std::string held = text.substr(got.text.size(), at - got.text.size());
      bool possible = held.empty();
      for (const std::string& stop : stops) {
        possible |= held.size() < stop.size() && stop.compare(0, held.size(), held) == 0;
      }
      ASSERT_TRUE(possible) << "held back \"" << held << "\" of \"" << text << "\"";
    }
    if (got.matched < 0) got.text += streaming.Flush();
    ASSERT_EQ(got.matched, expected.matched) << text;
    ASSERT_EQ(got.text, expected.text) << text;
    matches += got.matched >= 0;
  }
  EXPECT_GT(matches, 5000);
}

}  // namespace
}  // namespace quantd
