#include "runtime/tokenizer/normalizer.h"

#include <functional>
#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace quantd {
namespace {

std::string After(const std::function<void(std::string*)>& step, std::string text) {
  step(&text);
  return text;
}

TEST(NormalizerTest, LowerCase) { EXPECT_EQ(After(LowerCase, "ABC Éß ΑΣ İ"), "abc éß ασ i\u0307"); }

TEST(NormalizerTest, DropMarks) {
  const std::string text = "e\u0301 \u0915\u0940 a\u20DD";
  EXPECT_EQ(After([](std::string* t) { DropMarks(false, t); }, text), "e \u0915 a");
  EXPECT_EQ(After([](std::string* t) { DropMarks(true, t); }, text), "e \u0915\u0940 a\u20DD");
}

TEST(NormalizerTest, StripWhiteSpace) {
  const auto strip = [](bool left, bool right, const std::string& text) {
    return After([&](std::string* t) { StripWhiteSpace(left, right, t); }, text);
  };
  EXPECT_EQ(strip(true, true, "\u3000 a b\n\t"), "a b");
  EXPECT_EQ(strip(true, false, " a "), "a ");
  EXPECT_EQ(strip(false, true, " a "), " a");
  EXPECT_EQ(strip(false, false, " a "), " a ");
  EXPECT_EQ(strip(true, false, " \u3000"), "");
  EXPECT_EQ(strip(false, true, " "), "");
  EXPECT_EQ(strip(true, true, ""), "");
}

TEST(NormalizerTest, ReplacePattern) {
  const auto replace = [](const Pattern& pattern, const std::string& by, const std::string& text) {
    return After([&](std::string* t) { ReplacePattern(pattern, by, t); }, text);
  };
  EXPECT_EQ(replace(std::string("aa"), "b", "aaaaa"), "bba");
  EXPECT_EQ(replace(std::string(" "), "▁", " x y"), "▁x▁y");
  EXPECT_EQ(replace(std::string(""), "x", "ab"), "ab");
  auto regex = Regex::Compile(" {2,}", Regex::Cost::kBounded);
  ASSERT_TRUE(regex.ok());
  EXPECT_EQ(replace(std::make_shared<const Regex>(*std::move(regex)), " ", "a   b c    "),
            "a b c ");
  auto empty = Regex::Compile("x*", Regex::Cost::kBounded);
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(replace(std::make_shared<const Regex>(*std::move(empty)), "-", "axb"), "-a-b-");
}

TEST(NormalizerTest, CleanForBert) {
  EXPECT_EQ(After(CleanForBert, std::string("a\0b\uFFFD\u200Bc\t\u3000\r\nd", 17)), "abc    d");
}

TEST(NormalizerTest, SpaceOutChinese) {
  EXPECT_EQ(After(SpaceOutChinese, "a中文あ"), "a 中  文 あ");
}

TEST(NormalizerTest, CleanForNmt) {
  EXPECT_EQ(After(CleanForNmt,
                  "a\x01\x0B\x7F"
                  "b\t\u200B\u200F\uFEFF\uFFFD▁c\u0085"),
            "ab      c\u0085");
}

TEST(NormalizerTest, BertDoesWhatItsRulesSay) {
  const auto bert = [](const BertNormalization& rules) {
    std::string text = "Ａ\tÉ中\x01";
    MakeBertNormalizer(rules)(true, &text);
    return text;
  };
  EXPECT_EQ(bert({}), "ａ e 中 ");
  EXPECT_EQ(bert({.strip_accents = false}), "ａ é 中 ");
  EXPECT_EQ(bert({.lowercase = false}), "Ａ E 中 ");
  EXPECT_EQ(bert({.clean_text = false, .handle_chinese_chars = false}), "ａ\te中\x01");
}

}  // namespace
}  // namespace quantd
