#include "runtime/tokenizer/piece_splitter.h"

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

// Cuts at the '-'; pieces are joined by '|'.
std::string Split(absl::string_view text, SplitBehavior behavior, bool invert = false) {
  std::vector<absl::string_view> pieces;
  PieceSplitter splitter(text, behavior, invert, &pieces);
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '-') splitter.Match(at, at + 1);
  }
  splitter.Finish();
  return absl::StrJoin(pieces, "|");
}

TEST(PieceSplitterTest, BehavesAsTold) {
  const char* const text = "the-final--countdown-";
  EXPECT_EQ(Split(text, SplitBehavior::kRemoved), "the|final|countdown");
  EXPECT_EQ(Split(text, SplitBehavior::kIsolated), "the|-|final|-|-|countdown|-");
  EXPECT_EQ(Split(text, SplitBehavior::kMergedWithPrevious), "the-|final-|-|countdown-");
  EXPECT_EQ(Split(text, SplitBehavior::kMergedWithNext), "the|-final|-|-countdown|-");
  EXPECT_EQ(Split(text, SplitBehavior::kContiguous), "the|-|final|--|countdown|-");
}

TEST(PieceSplitterTest, InvertedMatchesAreWhatLiesBetween) {
  const char* const text = "-ab--c";
  EXPECT_EQ(Split(text, SplitBehavior::kRemoved, true), "-|-|-");
  EXPECT_EQ(Split(text, SplitBehavior::kIsolated, true), "-|ab|-|-|c");
  EXPECT_EQ(Split(text, SplitBehavior::kMergedWithPrevious, true), "-ab|-|-c");
  EXPECT_EQ(Split(text, SplitBehavior::kMergedWithNext, true), "-|ab-|-|c");
  EXPECT_EQ(Split(text, SplitBehavior::kContiguous, true), "-|ab|--|c");
}

TEST(PieceSplitterTest, TextsWithoutMatchesOrWithNothingElse) {
  for (const SplitBehavior behavior :
       {SplitBehavior::kRemoved, SplitBehavior::kIsolated, SplitBehavior::kMergedWithPrevious,
        SplitBehavior::kMergedWithNext, SplitBehavior::kContiguous}) {
    EXPECT_EQ(Split("", behavior), "");
    EXPECT_EQ(Split("ab", behavior), "ab");
    EXPECT_EQ(Split("-", behavior), behavior == SplitBehavior::kRemoved ? "" : "-");
  }
}

TEST(PieceSplitterTest, EmptyMatchesCutWithoutAPiece) {
  std::vector<absl::string_view> pieces;
  PieceSplitter splitter("abc", SplitBehavior::kIsolated, false, &pieces);
  splitter.Match(0, 0);
  splitter.Match(1, 1);
  splitter.Match(3, 3);
  splitter.Finish();
  EXPECT_EQ(absl::StrJoin(pieces, "|"), "a|bc");
}

}  // namespace
}  // namespace quantd
