#include "runtime/tokenizer/hf_tokens.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quantd {
namespace {

HfTokens Collect(const std::string& json, const std::vector<HfAddedToken>& more) {
  auto file = HfTokenizerFile::Parse(json, "tokenizer.json");
  EXPECT_TRUE(file.ok()) << file.status();
  auto tokens = CollectHfTokens(*file, more);
  EXPECT_TRUE(tokens.ok()) << tokens.status();
  return std::move(tokens).value_or(HfTokens());
}

TEST(HfTokensTest, IdsWithoutATokenAreUnused) {
  const HfTokens tokens = Collect(R"({"model": {"vocab": {"a": 0, "b": 3}},
      "added_tokens": [{"id": 5, "content": "c"}]})",
                                  {});
  ASSERT_EQ(tokens.texts.size(), 6u);
  EXPECT_EQ(tokens.texts[3], "b");
  for (const int id : {1, 2, 4}) EXPECT_EQ(tokens.types[id], TokenType::kUnused);
  EXPECT_EQ(tokens.types[5], TokenType::kUserDefined);
  EXPECT_EQ(tokens.Find("c"), 5);
  EXPECT_EQ(tokens.Find("b"), 3);
  EXPECT_EQ(tokens.Find("d"), std::nullopt);
}

TEST(HfTokensTest, TheFileGoesBeforeTheConfiguration) {
  const HfAddedToken other{.token = {.text = "c", .id = 9, .control = true}};
  const HfAddedToken new_one{.token = {.text = "d", .id = 6, .control = true}};
  HfTokens tokens = Collect(R"({"model": {"vocab": {"a": 0}},
      "added_tokens": [{"id": 5, "content": "c"}]})",
                            {other, new_one});
  ASSERT_EQ(tokens.added.size(), 2u);
  EXPECT_EQ(tokens.Find("c"), 5);
  EXPECT_EQ(tokens.types[6], TokenType::kControl);
  tokens.MakeControl(5);
  EXPECT_TRUE(tokens.added[0].token.control);
  tokens.MakeControl(0);
  EXPECT_EQ(tokens.added.back().token.text, "a");
}

TEST(HfTokensTest, NormalizedUnlessSpecial) {
  const HfTokens tokens = Collect(R"({"model": {"vocab": {"a": 0}}, "added_tokens": [
      {"id": 1, "content": "b"}, {"id": 2, "content": "c", "special": true},
      {"id": 3, "content": "d", "special": true, "normalized": true}]})",
                                  {});
  EXPECT_TRUE(tokens.added[0].normalized);
  EXPECT_FALSE(tokens.added[1].normalized);
  EXPECT_TRUE(tokens.added[2].normalized);
}

}  // namespace
}  // namespace quantd
