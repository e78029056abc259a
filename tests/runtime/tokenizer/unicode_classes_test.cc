#include "runtime/tokenizer/unicode_classes.h"

#include <string>

#include "gtest/gtest.h"

namespace quantd {
namespace {

struct ClassCase {
  bool (*is_member)(char32_t);
  std::u32string members, others;
};

TEST(UnicodeClassesTest, KnowTheirMembers) {
  const ClassCase cases[] = {
      {IsWhiteSpace, U" \t\v\r\n\u0085\u00A0\u1680\u2003\u2028\u3000", U"\x1C\u180E\u200B\uFEFFa"},
      {IsNumeric, U"09²½Ⅷ٣①〇", U"a一-"},
      {IsPunctuation, U"!$+<=>^`|~_-.\u2014。「»¿", U"a1 ©€\u0301±"},
      {IsControl, U"\x1\x7F\u200B\u00AD\uE000\uFEFF\U000E0001", U"\t\n\r a。"},
      {IsMark, U"\u0301\u0903\u20DD", U"a\u00B4"},
      {IsNonspacingMark, U"\u0301\u05B0", U"\u0903\u20DDa"},
      {IsWordCharacter, U"aZ0_éß中٣\u0301\u0903\u203F\u200D\u24B6\u2163", U"²-. €\u2014\u200B"},
      {IsBertChinese, U"中㐀\uF900\U00020000", U"あ한、a"},
  };
  for (const ClassCase& c : cases) {
    for (const char32_t code : c.members)
      EXPECT_TRUE(c.is_member(code)) << std::hex << static_cast<uint32_t>(code);
    for (const char32_t code : c.others)
      EXPECT_FALSE(c.is_member(code)) << std::hex << static_cast<uint32_t>(code);
  }
}

TEST(UnicodeClassesTest, NoCodePointIsTooLarge) {
  for (const auto is_member : {IsWhiteSpace, IsNumeric, IsPunctuation, IsMark, IsWordCharacter}) {
    EXPECT_FALSE(is_member(0x10FFFF));
    EXPECT_FALSE(is_member(0xFFFFFFFF));
  }
}

TEST(UnicodeClassesTest, ClustersOfAReader) {
  EXPECT_EQ(GraphemeLength("ab"), 1u);
  EXPECT_EQ(GraphemeLength("\r\nb"), 2u);
  EXPECT_EQ(GraphemeLength("e\u0301\u0302e"), 5u);
  EXPECT_EQ(GraphemeLength("中文"), 3u);
  EXPECT_EQ(GraphemeLength("\u1100\u1161\u1100"), 6u);  // a Hangul syllable of two
  // A family of four, joined; two flags of two letters each.
  EXPECT_EQ(GraphemeLength("👩\u200d👩\u200d👧\u200d👦."), 4u * 4 + 3 * 3);
  EXPECT_EQ(GraphemeLength("🇩🇪🇫🇷"), 8u);
}

TEST(UnicodeClassesTest, LowersEachCodePointOnItsOwn) {
  std::string lower;
  for (const char32_t code : std::u32string(U"AZaz[ÉΣИ\u01C5\u1E9E\u0130中\U00010400")) {
    AppendLowerCase(code, &lower);
  }
  EXPECT_EQ(lower, "azaz[éσи\u01C6ßi\u0307中\U00010428");
}

}  // namespace
}  // namespace quantd
