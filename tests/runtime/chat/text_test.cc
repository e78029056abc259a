#include "runtime/chat/text.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd::jinja {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Text Finish(TextBuilder* builder) {
  MemoryClaim claim;
  auto text = builder->Finish(&claim);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.ok() ? *std::move(text) : Text();
}

TEST(TextTest, RemembersWhatIsFromOutside) {
  TextBuilder builder(nullptr);
  builder.Append("ab");
  builder.Append("cd", /*outside=*/true);
  builder.Append("", /*outside=*/true);
  builder.Append("ef", /*outside=*/true);
  builder.Append("gh");
  builder.Append("i", /*outside=*/true);
  const Text text = Finish(&builder);
  EXPECT_EQ(text.bytes, "abcdefghi");
  EXPECT_THAT(text.outside, ElementsAre(TextRange{2, 6}, TextRange{8, 9}));
}

TEST(TextTest, PartsKeepTheirMarks) {
  const Text text{"abcdefghi", {{2, 6}, {8, 9}}};
  const auto part = [&](size_t begin, size_t end) {
    TextBuilder builder(nullptr);
    builder.Append("xx");
    builder.Append(text, begin, end);
    return Finish(&builder);
  };
  EXPECT_EQ(part(0, 9).bytes, "xxabcdefghi");
  EXPECT_THAT(part(0, 9).outside, ElementsAre(TextRange{4, 8}, TextRange{10, 11}));
  EXPECT_THAT(part(3, 5).outside, ElementsAre(TextRange{2, 4}));
  EXPECT_THAT(part(5, 9).outside, ElementsAre(TextRange{2, 3}, TextRange{5, 6}));
  EXPECT_THAT(part(6, 8).outside, IsEmpty());
  EXPECT_EQ(part(6, 8).bytes, "xxgh");
  EXPECT_THAT(part(0, 2).outside, IsEmpty());
  EXPECT_EQ(part(4, 4).bytes, "xx");
}

TEST(TextTest, CursorTellsWhereABytesIsFrom) {
  const Text text{"abcdefghi", {{2, 4}, {8, 9}}};
  OutsideCursor cursor(text);
  std::string marks;
  for (size_t at = 0; at < text.size(); ++at) marks += cursor.At(at) ? '!' : '.';
  EXPECT_EQ(marks, "..!!....!");
  OutsideCursor jumps(text);
  EXPECT_TRUE(jumps.At(3));
  EXPECT_FALSE(jumps.At(7));
  EXPECT_TRUE(jumps.At(8));
}

TEST(TextTest, EndsAtItsBudget) {
  Budget budget({.steps = 1000, .memory_bytes = 1000});
  TextBuilder builder(&budget);
  builder.Append(std::string(500, 'x'));
  EXPECT_FALSE(builder.exhausted());
  builder.Append(std::string(500, 'x'));
  EXPECT_TRUE(builder.exhausted());
  builder.Append("y");
  EXPECT_EQ(builder.size(), 500u);
  MemoryClaim claim;
  EXPECT_TRUE(absl::IsResourceExhausted(builder.Finish(&claim).status()));

  Budget few_steps({.steps = 10});
  TextBuilder slow(&few_steps);
  for (int i = 0; i < 20; ++i) slow.Append("x");
  EXPECT_TRUE(slow.exhausted());
  EXPECT_LE(slow.size(), 10u);
}

TEST(TextTest, HoldsItsMemoryAsLongAsItsClaim) {
  Budget budget({.memory_bytes = 1000});
  MemoryClaim claim;
  {
    TextBuilder builder(&budget);
    builder.Append(std::string(300, 'x'));
    ASSERT_TRUE(builder.Finish(&claim).ok());
  }
  EXPECT_GE(claim.bytes(), 300u);
  MemoryClaim rest(&budget);
  EXPECT_FALSE(rest.Resize(701));
  claim = MemoryClaim();
  EXPECT_TRUE(rest.Resize(1000));
}

}  // namespace
}  // namespace quantd::jinja
