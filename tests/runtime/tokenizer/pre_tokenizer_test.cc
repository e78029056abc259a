#include "runtime/tokenizer/pre_tokenizer.h"

#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/tokenizer/utf8.h"
#include "tests/runtime/tokenizer/vocab_builder.h"

namespace quantd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<PreTokenizer> Make(const PreTokenizerRule& rule, bool compiled = true) {
  auto pre = PreTokenizer::Create(rule, compiled);
  EXPECT_TRUE(pre.ok()) << pre.status();
  return std::move(pre).value();
}

std::vector<std::string> Split(absl::string_view name, absl::string_view text) {
  const PreTokenizerRule* rule = FindPreTokenizerRule(name);
  if (rule == nullptr) return {"unknown rule"};
  std::vector<std::string> words;
  for (const absl::string_view word : Make(*rule)->Split(text)) words.emplace_back(word);
  return words;
}

struct RuleCase {
  const char* name;
  std::vector<std::string> words;  ///< of kText
};

constexpr char kText[] = "I'LL it's  12345 aBCé, 中文x...\r\n\n  y\u0301? $5 `z  ";

// From HuggingFace tokenizers 0.23 (Split, isolated) with the published pattern lists.
const RuleCase kRuleCases[] = {
    {"gpt-2",
     {"I", "'", "LL", " it", "'s", " ", " 12345", " aBCé", ",", " 中文x", "...", "\r\n\n ", " y",
      "\u0301?", " $", "5", " `", "z", "  "}},
    {"starcoder",
     {"I", "'",      "LL",  " it",     "'s", "  ",      "1",  "2", "3",  "4", "5", " aBCé",
      ",", " 中文x", "...", "\r\n\n ", " y", "\u0301?", " $", "5", " `", "z", "  "}},
    {"llama-bpe",
     {"I",      "'LL",       " it", "'s", " ",       " ",  "123", "45", " aBCé", ",",
      " 中文x", "...\r\n\n", " ",   " y", "\u0301?", " $", "5",   " `", "z",     "  "}},
    {"dbrx", {"I",      "'LL",       " it", "'s", " ",       " ",  "123", "45", " aBCé", ",",
              " 中文x", "...\r\n\n", " ",   " y", "\u0301?", " $", "5",   " `", "z",     "  "}},
    {"qwen2",
     {"I", "'LL",    " it",       "'s", " ",  " ",       "1",  "2", "3",  "4", "5", " aBCé",
      ",", " 中文x", "...\r\n\n", " ",  " y", "\u0301?", " $", "5", " `", "z", "  "}},
    {"gpt-4o",
     {"I'LL", " it's", " ", " ", "123", "45", " a", "BCé", ",", " 中文x", "...\r\n\n", " ",
      " y\u0301", "?", " $", "5", " `", "z", "  "}},
    {"tekken",
     {"I",   "'LL", " it",    "'s",        " ", " ",        "1", "2",  "3", "4",  "5", " a",
      "BCé", ",",   " 中文x", "...\r\n\n", " ", " y\u0301", "?", " $", "5", " `", "z", "  "}},
    {"deepseek-coder", {"I",  "'", "LL",    " it",    "'", "s",    "  ", "1",   "2",  "3",
                        "4",  "5", " aBCé", ",",      " ", "中文", "x",  "...", "\r", "\n",
                        "\n", " ", " y",    "\u0301", "?", " $",   "5",  " `",  "z",  "  "}},
    {"deepseek-llm",
     {"I",   "'",  "LL", " it", "'", "s",  "  ",     "12345", " aBC", "é", ",",  " ", "中文", "x",
      "...", "\r", "\n", "\n",  " ", " y", "\u0301", "?",     " $",   "5", " `", "z", "  "}},
    {"deepseek-v3",
     {"I", "'LL",       " it", "'s",       "  ", "123", "45", " aBCé", ",", " ", "中文",
      "x", "...\r\n\n", " ",   " y\u0301", "?",  " $",  "5",  " `",    "z", "  "}},
    {"falcon",
     {"I",   "'",       "LL", " it",    "'", "s", " ", " ", "123", "45", " aBCé", ",", " 中文x",
      "...", "\r\n\n ", " y", "\u0301", "?", " ", "$", "5", " ",   "`",  "z",     "  "}},
    {"default",
     {"I",      "'",   "LL",      " it", "'",      "s", " ", " ", "123", "45", " aBCé", ",",
      " 中文x", "...", "\r\n\n ", " y",  "\u0301", "?", " ", "$", "5",   " `", "z",     "  "}},
};

TEST(PreTokenizerTest, CutsAsPublished) {
  for (const RuleCase& c : kRuleCases) EXPECT_EQ(Split(c.name, kText), c.words) << c.name;
}

TEST(PreTokenizerTest, EveryRuleIsCoveredByACase) {
  std::set<std::string> names;
  for (const PreTokenizerRule& rule : PreTokenizerRules()) {
    bool covered = false;
    for (const char* name : rule.names) {
      EXPECT_TRUE(names.insert(name).second) << name << " names two rules";
      EXPECT_EQ(FindPreTokenizerRule(name), &rule);
      EXPECT_THAT(KnownPreTokenizers(), HasSubstr(name));
      for (const RuleCase& c : kRuleCases) covered = covered || std::string(c.name) == name;
    }
    EXPECT_TRUE(covered) << rule.names[0];
  }
  EXPECT_EQ(FindPreTokenizerRule("gpt-3"), nullptr);
  EXPECT_EQ(FindPreTokenizerRule(""), nullptr);
}

TEST(PreTokenizerTest, WhiteSpaceIsUnicodes) {
  // U+180E was white space until Unicode 6.3; U+0085 and U+3000 are.
  EXPECT_THAT(Split("gpt-2", "a\u180Eb"), ElementsAre("a", "\u180E", "b"));
  EXPECT_THAT(Split("gpt-2", "a\u3000\u0085\u00A0b"),
              ElementsAre("a", "\u3000\u0085", "\u00A0", "b"));
  EXPECT_THAT(Split("qwen2", "!\u180E!"), ElementsAre("!\u180E!"));
}

TEST(PreTokenizerTest, ContractionsFoldCaseAsUnicodeDoes) {
  EXPECT_THAT(Split("llama-bpe", "x'S y'\u017F"), ElementsAre("x", "'S", " y", "'\u017F"));
  EXPECT_THAT(Split("gpt-2", "x'S"), ElementsAre("x", "'", "S"));
}

TEST(PreTokenizerTest, BytesThatAreNoUtf8AreWordsOfTheirOwn) {
  EXPECT_THAT(Split("gpt-2", "ab\xFF\xE4\xB8 cd"),
              ElementsAre("ab", "\xFF", "\xE4", "\xB8", " cd"));
  EXPECT_THAT(Split("qwen2", "\x80"), ElementsAre("\x80"));
  EXPECT_TRUE(Split("qwen2", "").empty());
}

TEST(PreTokenizerTest, WordsMakeUpTheText) {
  for (const PreTokenizerRule& rule : PreTokenizerRules()) {
    const auto pre = Make(rule);
    for (const std::string& text : DifficultTexts()) {
      std::string joined;
      for (const absl::string_view word : pre->Split(text)) {
        EXPECT_FALSE(word.empty());
        joined.append(word.data(), word.size());
      }
      EXPECT_EQ(joined, text) << rule.names[0];
    }
  }
}

// Each text makes a search that backtracks over a run, or starts anew at each of its characters,
// take quadratic time, which for this length is hours.
TEST(PreTokenizerTest, LongRunsAreNoTrap) {
  constexpr size_t kBytes = 1 << 18;
  std::vector<std::string> texts;
  for (const char* unit : {"a", "A", " ", "\n", "\t", " \n", "1", "!", "'", "'s", "中", "\u0301",
                           "É", "ǅ", "\u3000", "\x80", "a\xFF", "=", "\x01"}) {
    std::string run;
    while (run.size() < kBytes) run += unit;
    for (const char* tail : {"x", "1"}) texts.push_back(run + tail);
  }
  for (const PreTokenizerRule& rule : PreTokenizerRules()) {
    const auto compiled = Make(rule), interpreted = Make(rule, /*compiled=*/false);
    for (const std::string& text : texts) {
      const std::vector<absl::string_view> words = compiled->Split(text);
      size_t bytes = 0;
      for (const absl::string_view word : words) bytes += word.size();
      ASSERT_EQ(bytes, text.size());
      ASSERT_EQ(interpreted->Split(text), words) << rule.names[0];
    }
  }
}

}  // namespace
}  // namespace quantd
