#include "runtime/tokenizer/pre_tokenizer_rules.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/tokenizer/utf8.h"
#include "tests/runtime/tokenizer/vocab_builder.h"

namespace quantd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

PreTokenizer Make(const PreTokenizerRule& rule, bool compiled = true) {
  auto pre = MakePreTokenizer(rule, compiled);
  EXPECT_TRUE(pre.ok()) << pre.status();
  return std::move(pre).value();
}

std::vector<std::string> Split(absl::string_view name, absl::string_view text) {
  const PreTokenizerRule* rule = FindPreTokenizerRule(name);
  if (rule == nullptr) return {"unknown rule"};
  std::vector<std::string> words;
  for (const absl::string_view word : Make(*rule).Split(text, true).list) words.emplace_back(word);
  return words;
}

struct RuleCase {
  const char* name;
  std::vector<std::string> words;  ///< of kText
};

constexpr char kText[] = "I'LL it's  12345 aBCé, 中文x...\r\n\n  y\u0301? $5 `z  ";

// From HuggingFace tokenizers 0.23 (Split, isolated) with these pattern lists.
const RuleCase kRuleCases[] = {
    {"default",
     {"I",      "'",   "LL",      " it", "'",      "s", " ", " ", "123", "45", " aBCé", ",",
      " 中文x", "...", "\r\n\n ", " y",  "\u0301", "?", " ", "$", "5",   " `", "z",     "  "}},
    {"gpt-2",
     {"I", "'", "LL", " it", "'s", " ", " 12345", " aBCé", ",", " 中文x", "...", "\r\n\n ", " y",
      "\u0301?", " $", "5", " `", "z", "  "}},
    {"llama-bpe",
     {"I",      "'LL",       " it", "'s", " ",       " ",  "123", "45", " aBCé", ",",
      " 中文x", "...\r\n\n", " ",   " y", "\u0301?", " $", "5",   " `", "z",     "  "}},
    {"dbrx", {"I",      "'LL",       " it", "'s", " ",       " ",  "123", "45", " aBCé", ",",
              " 中文x", "...\r\n\n", " ",   " y", "\u0301?", " $", "5",   " `", "z",     "  "}},
    {"jais-2", {"I",      "'LL",       " it", "'s", " ",       " ",  "123", "45", " aBCé", ",",
                " 中文x", "...\r\n\n", " ",   " y", "\u0301?", " $", "5",   " `", "z",     "  "}},
    {"minicpm5",
     {"I", "'LL", " it", "'s", "  ", "123", "45", " aBCé", ",", " 中文x", "...\r\n\n", " ", " y",
      "\u0301?", " $", "5", " `", "z", "  "}},
    {"qwen2",
     {"I", "'LL",    " it",       "'s", " ",  " ",       "1",  "2", "3",  "4", "5", " aBCé",
      ",", " 中文x", "...\r\n\n", " ",  " y", "\u0301?", " $", "5", " `", "z", "  "}},
    {"qwen35",
     {"I", "'LL",    " it",       "'s", " ",        " ", "1",  "2", "3",  "4", "5", " aBCé",
      ",", " 中文x", "...\r\n\n", " ",  " y\u0301", "?", " $", "5", " `", "z", "  "}},
    {"seed-coder",
     {"I", "'LL",    " it", "'s",     " ", " ",  "1",       "2",  "3", "4",  "5", " aBCé",
      ",", " 中文x", "...", "\r\n\n", " ", " y", "\u0301?", " $", "5", " `", "z", "  "}},
    {"bailingmoe",
     {"I", "'LL",    " it",       "'s", " ",  " ",       "1",  "2", "3",  "4", "5", " aBCé",
      ",", " 中文x", "...\r\n\n", " ",  " y", "\u0301?", " $", "5", " `", "z", "  "}},
    {"gpt-4o",
     {"I'LL", " it's", " ", " ", "123", "45", " a", "BCé", ",", " 中文x", "...\r\n\n", " ",
      " y\u0301", "?", " $", "5", " `", "z", "  "}},
    {"youtu",
     {"I'LL", " it's", " ", " ",         "1", "2",        "3", "4",  "5", " a", "BCé", ",",
      " ",    "中文",  "x", "...\r\n\n", " ", " y\u0301", "?", " $", "5", " `", "z",   "  "}},
    {"tekken",
     {"I",   "'LL", " it",    "'s",        " ", " ",        "1", "2",  "3", "4",  "5", " a",
      "BCé", ",",   " 中文x", "...\r\n\n", " ", " y\u0301", "?", " $", "5", " `", "z", "  "}},
    {"deepseek-llm",
     {"I",   "'",  "LL", " it", "'", "s",  "  ",     "12345", " aBC", "é", ",",  " ", "中文", "x",
      "...", "\r", "\n", "\n",  " ", " y", "\u0301", "?",     " $",   "5", " `", "z", "  "}},
    {"deepseek-coder", {"I",  "'", "LL",    " it",    "'", "s",    "  ", "1",   "2",  "3",
                        "4",  "5", " aBCé", ",",      " ", "中文", "x",  "...", "\r", "\n",
                        "\n", " ", " y",    "\u0301", "?", " $",   "5",  " `",  "z",  "  "}},
    {"deepseek-v3",
     {"I", "'LL",       " it", "'s",       "  ", "123", "45", " aBCé", ",", " ", "中文",
      "x", "...\r\n\n", " ",   " y\u0301", "?",  " $",  "5",  " `",    "z", "  "}},
    {"falcon",
     {"I",   "'",       "LL", " it",    "'", "s", " ", " ", "123", "45", " aBCé", ",", " 中文x",
      "...", "\r\n\n ", " y", "\u0301", "?", " ", "$", "5", " ",   "`",  "z",     "  "}},
    {"starcoder",
     {"I", "'",      "LL",  " it",     "'s", "  ",      "1",  "2", "3",  "4", "5", " aBCé",
      ",", " 中文x", "...", "\r\n\n ", " y", "\u0301?", " $", "5", " `", "z", "  "}},
    {"bloom",
     {"I'LL", " it's", " ", " 12345", " aBCé", ",", " 中文x", "...\r\n\n ", " y\u0301", "?", " $5",
      " `z", "  "}},
    {"viking",
     {"I'LL", " it's", " ", " ", "1", "2", "3", "4", "5", " aBCé", ",", " 中文x", "...\r\n\n ",
      " y\u0301", "?", " $", "5", " `z", "  "}},
    {"chameleon", {"I", "'",      "LL", " it",    "'", "s", "  ", "1",  "2",  "3",  "4",
                   "5", " aBCé",  ",",  " 中文x", ".", ".", ".",  "\r", "\n", "\n", "  ",
                   "y", "\u0301", "?",  " ",      "$", "5", " ",  "`",  "z",  "  "}},
};

TEST(PreTokenizerRulesTest, CutsAsPublished) {
  for (const RuleCase& c : kRuleCases) EXPECT_EQ(Split(c.name, kText), c.words) << c.name;
}

TEST(PreTokenizerRulesTest, EveryRuleIsCoveredByACase) {
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

TEST(PreTokenizerRulesTest, WhiteSpaceIsUnicodes) {
  // U+180E was white space until Unicode 6.3; U+0085 and U+3000 are.
  EXPECT_THAT(Split("gpt-2", "a\u180Eb"), ElementsAre("a", "\u180E", "b"));
  EXPECT_THAT(Split("gpt-2", "a\u3000\u0085\u00A0b"),
              ElementsAre("a", "\u3000\u0085", "\u00A0", "b"));
  EXPECT_THAT(Split("qwen2", "!\u180E!"), ElementsAre("!\u180E!"));
}

TEST(PreTokenizerRulesTest, Jais2CutsRunsOfSpacesIntoPowersOfTwo) {
  EXPECT_THAT(
      Split("jais-2", absl::StrCat("a", std::string(45, ' '), "b")),
      ElementsAre("a", std::string(32, ' '), std::string(8, ' '), std::string(4, ' '), " b"));
  // Up to the last line break a run is one piece, wherever it begins.
  EXPECT_THAT(Split("jais-2", "!\n  \n   \r\n    \t b"),
              ElementsAre("!\n", "  \n   \r\n", "    ", "\t", " b"));
  EXPECT_THAT(Split("jais-2", absl::StrCat(std::string(600, ' '), "\n", std::string(515, ' '))),
              ElementsAre(absl::StrCat(std::string(600, ' '), "\n"), std::string(512, ' '),
                          std::string(2, ' '), " "));
  EXPECT_THAT(Split("jais-2", "a \n\u3000\u3000.\n\n  ."),
              ElementsAre("a", " \n", "\u3000", "\u3000", ".\n\n", " ", " ."));
}

TEST(PreTokenizerRulesTest, PatternsOfFilesAreKnownHoweverTheySpellCharacters) {
  const std::string spelled = R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)";
  for (const std::string& pattern : {spelled, std::string("[一-龥\u3040-ゟ゠-ヿ]+")}) {
    const auto regex = CompilePattern(pattern);
    ASSERT_TRUE(regex.ok()) << regex.status();
    EXPECT_EQ(regex->cost(), Regex::Cost::kLinear) << pattern;
  }
  const auto trailing = CompilePattern(R"(\s+$)");
  ASSERT_TRUE(trailing.ok());
  EXPECT_EQ(trailing->cost(), Regex::Cost::kLinear);
  const auto foreign = CompilePattern("(a+)+b");
  ASSERT_TRUE(foreign.ok());
  EXPECT_EQ(foreign->cost(), Regex::Cost::kBounded);
  EXPECT_EQ(CompilePattern("(a").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(PreTokenizerRulesTest, ContractionsFoldCaseAsUnicodeDoes) {
  EXPECT_THAT(Split("llama-bpe", "x'S y'\u017F"), ElementsAre("x", "'S", " y", "'\u017F"));
  EXPECT_THAT(Split("gpt-2", "x'S"), ElementsAre("x", "'", "S"));
}

TEST(PreTokenizerRulesTest, WordsMakeUpTheText) {
  for (const PreTokenizerRule& rule : PreTokenizerRules()) {
    const PreTokenizer pre = Make(rule);
    for (const std::string& difficult : DifficultTexts()) {
      std::string text, joined;
      AppendUtf8(difficult, /*at_end=*/true, &text);
      for (const absl::string_view word : pre.Split(text, true).list) {
        EXPECT_FALSE(word.empty());
        joined.append(word.data(), word.size());
      }
      EXPECT_EQ(joined, text) << rule.names[0];
    }
  }
}

// Each text makes a search that backtracks over a run, or starts anew at each of its characters,
// take quadratic time, which for this length is minutes.
TEST(PreTokenizerRulesTest, LongRunsAreNoTrap) {
  constexpr size_t kBytes = 1 << 16;
  std::vector<std::string> texts;
  for (const char* unit : {"a", "A", " ", "\n", "\t", " \n", "1", "!", "'", "'s", "中", "\u0301",
                           "É", "ǅ", "\u3000", "=", "\x01"}) {
    std::string run;
    while (run.size() < kBytes) run += unit;
    for (const char* tail : {"x", "1"}) texts.push_back(run + tail);
  }
  for (const PreTokenizerRule& rule : PreTokenizerRules()) {
    const PreTokenizer compiled = Make(rule), interpreted = Make(rule, /*compiled=*/false);
    for (const std::string& text : texts) {
      const std::vector<absl::string_view> words = compiled.Split(text, true).list;
      size_t bytes = 0;
      for (const absl::string_view word : words) bytes += word.size();
      ASSERT_EQ(bytes, text.size());
      ASSERT_EQ(interpreted.Split(text, true).list, words) << rule.names[0];
    }
  }
}

}  // namespace
}  // namespace quantd
