#include "runtime/tokenizer/byte_trie.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>

#include "gtest/gtest.h"

namespace quantd {
namespace {

TEST(ByteTrieTest, FindsTheLongestText) {
  const ByteTrie trie({{"a", 0}, {"abc", 1}, {"ab", 2}, {"b", 3}, {std::string("\0\xFF", 2), 4}});
  size_t length = 0;
  EXPECT_EQ(trie.Longest("abcd", &length), 1);
  EXPECT_EQ(length, 3u);
  EXPECT_EQ(trie.Longest("abd", &length), 2);
  EXPECT_EQ(length, 2u);
  EXPECT_EQ(trie.Longest(absl::string_view("\0\xFF", 2), &length), 4);
  EXPECT_EQ(trie.Longest(absl::string_view("\0", 1), &length), ByteTrie::kNoValue);
  EXPECT_EQ(trie.Longest("c", &length), ByteTrie::kNoValue);
  EXPECT_EQ(trie.Longest("", &length), ByteTrie::kNoValue);
  EXPECT_TRUE(trie.Starts('a'));
  EXPECT_FALSE(trie.Starts('c'));
}

TEST(ByteTrieTest, OfEqualTextsTheFirstCountsAndEmptyOnesAreLeftOut) {
  const ByteTrie trie({{"", 7}, {"x", 5}, {"x", 6}});
  size_t length = 0;
  EXPECT_EQ(trie.Longest("x", &length), 5);
  EXPECT_EQ(trie.value(ByteTrie::kRoot), ByteTrie::kNoValue);
  EXPECT_EQ(ByteTrie().Longest("x", &length), ByteTrie::kNoValue);
}

TEST(ByteTrieTest, EqualsAMapOnRandomTexts) {
  std::mt19937 random(1);
  std::map<std::string, int32_t> texts;
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (size_t n = 1 + random() % 6; n > 0; --n) text += static_cast<char>(random() % 5 * 60);
    texts.try_emplace(text, i);
  }
  std::vector<ByteTrie::Entry> entries;
  for (const auto& [text, value] : texts) entries.emplace_back(text, value);
  std::shuffle(entries.begin(), entries.end(), random);
  const ByteTrie trie(entries);
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (size_t n = random() % 8; n > 0; --n) text += static_cast<char>(random() % 5 * 60);
    int32_t expected = ByteTrie::kNoValue;
    size_t expected_length = 0, length = 0;
    for (size_t n = 1; n <= text.size(); ++n) {
      const auto found = texts.find(text.substr(0, n));
      if (found != texts.end()) expected = found->second, expected_length = n;
    }
    ASSERT_EQ(trie.Longest(text, &length), expected);
    ASSERT_EQ(length, expected_length);
  }
}

}  // namespace
}  // namespace quantd
