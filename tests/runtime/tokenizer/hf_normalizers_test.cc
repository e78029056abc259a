#include "runtime/tokenizer/hf_normalizers.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/runtime/tokenizer/charsmap_builder.h"
#include "tests/runtime/tokenizer/hf_parts_test_util.h"

namespace quantd {
namespace {

std::string Normalize(const std::string& json, std::string text) {
  const PartJson part(json);
  const auto steps = ReadHfNormalizers(part.value());
  EXPECT_TRUE(steps.ok()) << steps.status();
  if (!steps.ok()) return "";
  for (const Normalizer& step : *steps) step(/*first=*/false, &text);
  return text;
}

TEST(HfNormalizersTest, EachKind) {
  EXPECT_EQ(Normalize("null", " Aé "), " Aé ");
  EXPECT_EQ(Normalize(R"({"type": "NFC"})", "e\u0301"), "\u00e9");
  EXPECT_EQ(Normalize(R"({"type": "NFD"})", "\u00e9"), "e\u0301");
  EXPECT_EQ(Normalize(R"({"type": "NFKC"})", "\ufb01\u212b"), "fi\u00c5");
  EXPECT_EQ(Normalize(R"({"type": "NFKD"})", "\ufb01\u212b"), "fiA\u030a");
  EXPECT_EQ(Normalize(R"({"type": "Lowercase"})", "ÄB İ"), "äb i\u0307");
  EXPECT_EQ(Normalize(R"({"type": "StripAccents"})", "e\u0301\u0903a"), "ea");
  EXPECT_EQ(Normalize(R"({"type": "Strip"})", "\n a \t"), "a");
  EXPECT_EQ(Normalize(R"({"type": "Strip", "strip_left": false})", " a "), " a");
  EXPECT_EQ(Normalize(R"({"type": "Strip", "strip_right": false})", " a "), "a ");
  EXPECT_EQ(Normalize(R"({"type": "Prepend", "prepend": "▁"})", "a"), "▁a");
  EXPECT_EQ(Normalize(R"({"type": "Prepend", "prepend": "▁"})", ""), "");
  EXPECT_EQ(Normalize(R"({"type": "Nmt"})", "a\u200bb\u0001c"), "a bc");
  EXPECT_EQ(Normalize(R"({"type": "ByteLevel"})", " é"), "ĠÃ©");
}

TEST(HfNormalizersTest, ReplaceTakesStringsAndPatterns) {
  EXPECT_EQ(
      Normalize(R"({"type": "Replace", "pattern": {"String": "a."}, "content": "x"})", "a.ab"),
      "xab");
  EXPECT_EQ(Normalize(R"({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "$1"})",
                      "a  b   c d"),
            "a$1b$1c d");
}

TEST(HfNormalizersTest, BertStripsAccentsAsItLowers) {
  EXPECT_EQ(Normalize(R"({"type": "BertNormalizer"})", "É\t中\u0001x"), "e  中 x");
  EXPECT_EQ(Normalize(R"({"type": "BertNormalizer", "lowercase": false})", "É"), "É");
  EXPECT_EQ(Normalize(R"({"type": "BertNormalizer", "lowercase": false, "strip_accents": true,
                          "handle_chinese_chars": false, "clean_text": false})",
                      "É\t中\u0001x"),
            "E\t中\u0001x");
  EXPECT_EQ(Normalize(R"({"type": "BertNormalizer", "strip_accents": false})", "É"), "é");
}

TEST(HfNormalizersTest, PrecompiledReplacesClustersByTheShortestRule) {
  const std::string blob =
      CharsmapBuilder({{"ａ", "a"}, {"ａｂ", "never"}, {"e\u0301", "é"}, {"\u00a0", " "}}).Bytes();
  const std::string json = absl::StrCat(R"({"type": "Precompiled", "precompiled_charsmap": ")",
                                        absl::Base64Escape(blob), "\"}");
  EXPECT_EQ(Normalize(json, "ａｂ e\u0301\u00a0z"), "aｂ é z");
  // One cluster of five bytes: the rule for its first character replaces all of it.
  EXPECT_EQ(Normalize(json, "ａ\u0301"), "a");
  // One of seven: character by character.
  EXPECT_EQ(Normalize(json, "ａ\u0301\u0302"), "a\u0301\u0302");
}

TEST(HfNormalizersTest, SequencesNest) {
  EXPECT_EQ(Normalize(R"({"type": "Sequence", "normalizers": [
                {"type": "Replace", "pattern": {"String": "a"}, "content": "b"},
                {"type": "Sequence", "normalizers": [
                  {"type": "Replace", "pattern": {"String": "b"}, "content": "c"}]},
                {"type": "Prepend", "prepend": "a"}]})",
                      "ab"),
            "acc");
}

}  // namespace
}  // namespace quantd
