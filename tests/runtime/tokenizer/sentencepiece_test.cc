#include "runtime/tokenizer/sentencepiece.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/runtime/tokenizer/charsmap_builder.h"

namespace quantd {
namespace {

std::string Prepared(const SentencePieceRules& rules, std::string text, bool first = true) {
  MakeSentencePieceNormalizer(rules)(first, &text);
  return text;
}

TEST(SentencePieceNormalizerTest, PutsASpaceInFrontOfATextOnly) {
  EXPECT_EQ(Prepared({}, "a b"), " a b");
  EXPECT_EQ(Prepared({}, " a"), "  a");
  EXPECT_EQ(Prepared({}, "a", /*first=*/false), "a");
  EXPECT_EQ(Prepared({.add_dummy_prefix = false}, "a"), "a");
  EXPECT_EQ(Prepared({}, "▁a▁"), "  a ");
}

TEST(SentencePieceNormalizerTest, RemovesExtraWhiteSpace) {
  const SentencePieceRules rules{.remove_extra_whitespaces = true};
  EXPECT_EQ(Prepared(rules, "  a   b "), " a b");
  EXPECT_EQ(Prepared(rules, "   "), "");
  EXPECT_EQ(Prepared({.add_dummy_prefix = false, .remove_extra_whitespaces = true}, "  a  "), "a");
}

TEST(SentencePieceNormalizerTest, AppliesTheLongestRule) {
  auto charsmap = Charsmap::Parse(
      CharsmapBuilder({{"ａ", "a"}, {"ａ\u0301", "á"}, {"\t", " "}, {"\u200b", ""}, {"ﬁ", "fi"}})
          .Bytes());
  ASSERT_TRUE(charsmap.ok()) << charsmap.status();
  SentencePieceRules rules{.charsmap = std::make_shared<const Charsmap>(*std::move(charsmap))};
  EXPECT_EQ(Prepared(rules, "ａａ\u0301\tﬁx\u200b"), " aá fix");
  EXPECT_EQ(Prepared(rules, "\u200b"), "");
  rules.remove_extra_whitespaces = true;
  EXPECT_EQ(Prepared(rules, "\t\ta \t b\t"), " a b");
}

}  // namespace
}  // namespace quantd
