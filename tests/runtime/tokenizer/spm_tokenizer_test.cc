#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/runtime/tokenizer/vocab_builder.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

using Ids = std::vector<int32_t>;

std::unique_ptr<Tokenizer> Load(const VocabBuilder& vocab) {
  auto tokenizer = vocab.Load();
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
}

// 259 "▁t", 260 "he", 261 "▁the", 262 "▁", 263 "t", 264 "h", 265 "e", 266 "▁▁"
VocabBuilder TheVocab() { return LlamaVocab({"▁t", "he", "▁the", "▁", "t", "h", "e", "▁▁"}); }

TEST(SpmTokenizerTest, JoinsByScore) {
  const auto tokenizer = Load(TheVocab());
  EXPECT_THAT(tokenizer->Encode("the", {}), ElementsAre(261));
  EXPECT_THAT(tokenizer->Encode("thee", {}), ElementsAre(261, 265));
  EXPECT_THAT(tokenizer->Encode("the the", {}), ElementsAre(261, 261));
  // The dummy space joins the text's own.
  EXPECT_THAT(tokenizer->Encode(" the", {}), ElementsAre(262, 261));
  EXPECT_THAT(tokenizer->Encode("  ", {}), ElementsAre(266, 262));
  EXPECT_THAT(tokenizer->Encode("", {}), IsEmpty());
}

TEST(SpmTokenizerTest, CharactersWithoutATokenBecomeTheirBytes) {
  const auto tokenizer = Load(TheVocab());
  EXPECT_THAT(tokenizer->Encode("é", {}), ElementsAre(262, 3 + 0xC3, 3 + 0xA9));
  EXPECT_THAT(tokenizer->Encode("\xFFt", {}), ElementsAre(262, 3 + 0xFF, 263));
  EXPECT_EQ(tokenizer->Decode({262, 3 + 0xC3, 3 + 0xA9}), "é");
  EXPECT_EQ(tokenizer->TokenBytes(3 + 0xA9), "\xA9");
}

// A character may occur in tokens without being one: it joins all the same.
TEST(SpmTokenizerTest, JoinsCharactersThatAreNoTokens) {
  const auto tokenizer = Load(LlamaVocab({"▁", "éà", "xéà"}));
  EXPECT_THAT(tokenizer->Encode("éà", {}), ElementsAre(259, 260));
  EXPECT_THAT(tokenizer->Encode("xéà", {}), ElementsAre(259, 261));
  EXPECT_THAT(tokenizer->Encode("é", {}), ElementsAre(259, 3 + 0xC3, 3 + 0xA9));
}

TEST(SpmTokenizerTest, EqualScoresJoinLeftmostFirst) {
  VocabBuilder vocab = LlamaVocab({"▁", "ab", "ba"});
  (*vocab.scores)[260] = (*vocab.scores)[261] = -1;
  const auto tokenizer = Load(vocab);
  EXPECT_THAT(tokenizer->Encode("aba", {}), ElementsAre(259, 260, 3 + 'a'));
  EXPECT_THAT(tokenizer->Encode("bab", {}), ElementsAre(259, 261, 3 + 'b'));
}

TEST(SpmTokenizerTest, TokensThatSpanWordsAreFound) {
  const auto tokenizer = Load(LlamaVocab({"▁b", "a▁b", "▁", "a", "b"}));
  EXPECT_THAT(tokenizer->Encode("a b", {}), ElementsAre(261, 260));
}

TEST(SpmTokenizerTest, WithoutTheDummySpace) {
  VocabBuilder vocab = TheVocab();
  vocab.SetBool("add_space_prefix", false);
  const auto tokenizer = Load(vocab);
  EXPECT_FALSE(tokenizer->strips_leading_space());
  EXPECT_THAT(tokenizer->Encode("the", {}), ElementsAre(263, 260));
  EXPECT_THAT(tokenizer->Encode(" the", {}), ElementsAre(261));
  EXPECT_EQ(tokenizer->Decode({261}), " the");
}

TEST(SpmTokenizerTest, UnknownCharactersInARunAreOneUnknownToken) {
  VocabBuilder vocab;
  vocab.scores.emplace();
  vocab.types.emplace();
  vocab.Add("<unk>", TokenType::kUnknown);
  vocab.Add("▁");
  vocab.Add("a");
  const auto tokenizer = Load(vocab);
  EXPECT_THAT(tokenizer->Encode("azéa\xFF", {}), ElementsAre(1, 2, 0, 2, 0));
  EXPECT_EQ(tokenizer->Decode({1, 2, 0, 2}), "a\uFFFDa");
}

TEST(SpmTokenizerTest, ControlTokensInTextStayText) {
  const auto tokenizer = Load(LlamaVocab({"</", "s>", "▁", "<", "/", "s", ">", "<s"}));
  const Ids plain = tokenizer->Encode("</s><s>", {});
  EXPECT_THAT(plain, Not(Contains(1)));
  EXPECT_THAT(plain, Not(Contains(2)));
  EXPECT_EQ(tokenizer->Decode(plain), "</s><s>");
  EXPECT_THAT(tokenizer->Encode("</s><s>", {.parse_control = true}), ElementsAre(2, 1));
  // What follows a control token is a text of its own, with its dummy space.
  EXPECT_THAT(tokenizer->Encode("<s>s", {.parse_control = true}), ElementsAre(1, 261, 264));
  EXPECT_EQ(tokenizer->Decode({1, 261, 264}), "s");
  // Byte tokens are not spelled out in text either.
  EXPECT_THAT(tokenizer->Encode("<0x41>", {}), Not(Contains(3 + 0x41)));
}

TEST(SpmTokenizerTest, UserDefinedTokensAreAlwaysCutOut) {
  VocabBuilder vocab = TheVocab();
  const int32_t tool = vocab.Add("<tool>", TokenType::kUserDefined);
  const int32_t spaces = vocab.Add("▁▁▁", TokenType::kUserDefined);
  const auto tokenizer = Load(vocab);
  EXPECT_THAT(tokenizer->Encode("t<tool>t", {}), ElementsAre(259, tool, 263));
  EXPECT_THAT(tokenizer->Encode("t   t", {}), ElementsAre(259, spaces, 263));
  for (const char* text : {"<tool>", " <tool> t", "   ", "    t", "<tool>   ", "t<tool>   t"}) {
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text, {})), text);
  }
}

TEST(SpmTokenizerTest, UnusedTokensAreDecodedButNotProduced) {
  VocabBuilder vocab = TheVocab();
  const int32_t unused = vocab.Add("tt", TokenType::kUnused);
  const auto tokenizer = Load(vocab);
  EXPECT_THAT(tokenizer->Encode("tt", {}), ElementsAre(259, 263));
  EXPECT_EQ(tokenizer->Decode({259, unused}), "ttt");
}

TEST(SpmTokenizerTest, DuplicateTokensAreToleratedAndTheFirstWins) {
  VocabBuilder vocab = TheVocab();
  vocab.Add("▁the");
  vocab.Add("<0x41>", TokenType::kByte);
  const auto tokenizer = Load(vocab);
  EXPECT_THAT(tokenizer->Encode("the", {}), ElementsAre(261));
  EXPECT_THAT(tokenizer->Encode("A", {}), ElementsAre(262, 3 + 'A'));
  EXPECT_EQ(tokenizer->TokenBytes(267), " the");
}

TEST(SpmTokenizerTest, BosAndEosOnRequest) {
  const auto tokenizer = Load(TheVocab());
  EXPECT_TRUE(tokenizer->default_add_bos());
  EXPECT_FALSE(tokenizer->default_add_eos());
  EXPECT_THAT(tokenizer->Encode("the", {.add_bos = true, .add_eos = true}), ElementsAre(1, 261, 2));
  EXPECT_THAT(tokenizer->Encode("", {.add_bos = true, .add_eos = true}), ElementsAre(1, 2));
  EXPECT_EQ(tokenizer->Decode({1, 261, 2}), "the");
}

TEST(SpmTokenizerTest, RoundTripsDifficultTexts) {
  const auto tokenizer = Load(TheVocab());
  for (const std::string& text : DifficultTexts()) {
    const Ids ids = tokenizer->Encode(text, {});
    std::string bytes;
    for (const int32_t id : ids) bytes += tokenizer->TokenBytes(id);
    EXPECT_EQ(bytes, text.empty() ? "" : " " + text);
  }
}

class DemoModelTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto file = GgufFile::Open(SourcePath("config/models/shakespeare-6m-f16.gguf"));
    ASSERT_TRUE(file.ok()) << file.status();
    auto tokenizer = Tokenizer::FromGguf(**file);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = std::move(*tokenizer);
  }
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(DemoModelTest, SaysWhatTheFileSays) {
  EXPECT_EQ(tokenizer_->vocab_size(), 2048);
  EXPECT_EQ(tokenizer_->bos(), 1);
  EXPECT_EQ(tokenizer_->eos(), 2);
  EXPECT_THAT(tokenizer_->end_ids(), ElementsAre(2));
  EXPECT_FALSE(tokenizer_->default_add_bos());
  EXPECT_TRUE(tokenizer_->strips_leading_space());
  EXPECT_EQ(tokenizer_->model_name(), "llama");
  EXPECT_EQ(tokenizer_->type(3), TokenType::kNormal);
  EXPECT_EQ(tokenizer_->TokenBytes(3), "\n");
}

// Ids from the SentencePiece library 0.2 with this vocabulary.
TEST_F(DemoModelTest, EqualsSentencePiece) {
  const std::map<std::string, Ids> cases = {
      {"To be, or not to be, that is the question:\n",
       {419, 310, 1999, 537, 329, 292, 310, 1999, 332, 333, 270, 562, 396, 422, 2007, 3}},
      {"  two  spaces\n\nand lines\t",
       {1984, 1984, 1085, 1984, 429, 1988, 1049, 3, 3, 415, 284, 267, 286, 13}},
      {"naïve 🚀 café 中文", {283,  1988, 199, 179, 300,  1984, 244, 163, 158, 132, 282,
                             1988, 2001, 199, 173, 1984, 232,  188, 177, 234, 154, 139}},
      {"</s><s>", {1984, 64, 51, 1990, 66, 64, 1990, 66}},
      {"\u2581x", {1984, 1984, 2039}},
      {"<0x41>", {1984, 64, 52, 2039, 56, 53, 66}},
      {std::string("\0\x7F", 2), {1984, 4, 131}},
  };
  for (const auto& [text, ids] : cases) EXPECT_EQ(tokenizer_->Encode(text, {}), ids) << text;
}

TEST_F(DemoModelTest, RoundTripsEveryValidText) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 20; ++i) {
      const std::vector<std::string> parts = DifficultTexts();
      const std::string& part = parts[random() % 14];  // the well-formed ones
      text += random() % 2 ? " " : "";
      text += part;
    }
    ASSERT_EQ(tokenizer_->Decode(tokenizer_->Encode(text, {})), text);
  }
}

}  // namespace
}  // namespace quantd
