#include "runtime/tokenizer/charsmap.h"

#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/tokenizer/utf8.h"
#include "tests/runtime/tokenizer/charsmap_builder.h"

namespace quantd {
namespace {

using testing::HasSubstr;

// length:replacement, or "-".
std::string Show(const std::optional<Charsmap::Rule>& rule) {
  return rule ? std::to_string(rule->length) + ":" + std::string(rule->replacement) : "-";
}

std::string Rules() {
  return CharsmapBuilder({{"ａ", "a"}, {"ａ\u0301", "á"}, {"\t", " "}, {"\u200b", ""}, {"ﬁ", "fi"}})
      .Bytes();
}

TEST(CharsmapTest, FindsTheLongestAndTheShortestRule) {
  const auto map = Charsmap::Parse(Rules());
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(Show(map->Longest("ａ\u0301x")), "5:á");
  EXPECT_EQ(Show(map->Shortest("ａ\u0301x")), "3:a");
  EXPECT_EQ(Show(map->Longest("ａx")), "3:a");
  EXPECT_EQ(Show(map->Longest("ﬁ")), "3:fi");
  EXPECT_EQ(Show(map->Longest("\u200b")), "3:");
  EXPECT_EQ(Show(map->Longest("\t\t")), "1: ");
  for (const char* text : {"", "a", "ｂ", "\u200c", "x\t"}) {
    EXPECT_EQ(Show(map->Longest(text)), "-") << text;
  }
}

TEST(CharsmapTest, RefusesWhatIsCutShort) {
  const std::string rules = Rules();
  const auto error = [](const std::string& bytes) {
    const auto map = Charsmap::Parse(bytes);
    EXPECT_EQ(map.status().code(), absl::StatusCode::kDataLoss);
    return std::string(map.status().message());
  };
  EXPECT_THAT(error(""), HasSubstr("0 bytes"));
  EXPECT_THAT(error("abc"), HasSubstr("3 bytes"));
  EXPECT_THAT(error(rules.substr(0, 20)), HasSubstr("trie"));
  EXPECT_THAT(error(Raw(0u) + "x"), HasSubstr("trie of 0 bytes"));
  EXPECT_THAT(error(Raw(3u) + "xxxxx"), HasSubstr("trie of 3 bytes"));
  EXPECT_THAT(error(Raw(0xFFFFFFFCu) + "xxxx"), HasSubstr("trie"));
  EXPECT_THAT(error(rules + "\xFF"), HasSubstr("no UTF-8"));
  EXPECT_THAT(error(rules + std::string(129, 'x')), HasSubstr("129 bytes"));
}

// Whatever the bytes of the trie, a rule covers whole characters.
TEST(CharsmapTest, BrokenTriesDoNoHarm) {
  std::mt19937 random(2);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = Rules();
    for (int i = 0; i < 8; ++i)
      bytes[4 + random() % (bytes.size() - 4)] = static_cast<char>(random());
    const auto map = Charsmap::Parse(bytes);
    if (!map.ok()) continue;
    for (const std::string text : {"ａ\u0301", "\t\t\t", "ﬁﬁ", "中文"}) {
      const auto rule = map->Longest(text);
      if (!rule) continue;
      ASSERT_GT(rule->length, 0u);
      ASSERT_TRUE(IsUtf8(text.substr(rule->length)));
      ASSERT_TRUE(IsUtf8(rule->replacement));
    }
  }
}

}  // namespace
}  // namespace quantd
