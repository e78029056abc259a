#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/tokenizer/tokenizer.h"
#include "runtime/tokenizer/utf8.h"
#include "tests/runtime/tokenizer/charsmap_builder.h"
#include "tests/runtime/tokenizer/vocab_builder.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// 259 "▁t", 260 "he", 261 "▁the", 262 "▁", 263 "t", 264 "h", 265 "e", 266 "▁▁"
VocabBuilder TheVocab() { return LlamaVocab({"▁t", "he", "▁the", "▁", "t", "h", "e", "▁▁"}); }

TEST(GgufLlamaTest, JoinsByScore) {
  const auto tokenizer = LoadOrDie(TheVocab());
  EXPECT_THAT(tokenizer->Encode("the", {}), ElementsAre(261));
  EXPECT_THAT(tokenizer->Encode("thee", {}), ElementsAre(261, 265));
  EXPECT_THAT(tokenizer->Encode("the the", {}), ElementsAre(261, 261));
  // The dummy space joins the text's own.
  EXPECT_THAT(tokenizer->Encode(" the", {}), ElementsAre(262, 261));
  EXPECT_THAT(tokenizer->Encode("  ", {}), ElementsAre(266, 262));
  EXPECT_THAT(tokenizer->Encode("", {}), IsEmpty());
}

TEST(GgufLlamaTest, CharactersWithoutATokenBecomeTheirBytes) {
  const auto tokenizer = LoadOrDie(TheVocab());
  EXPECT_THAT(tokenizer->Encode("é", {}), ElementsAre(262, 3 + 0xC3, 3 + 0xA9));
  // As SentencePiece reads such bytes.
  EXPECT_THAT(tokenizer->Encode("\xFFt", {}), ElementsAre(262, 3 + 0xEF, 3 + 0xBF, 3 + 0xBD, 263));
  EXPECT_EQ(tokenizer->Decode({262, 3 + 0xC3, 3 + 0xA9}), "é");
  EXPECT_EQ(tokenizer->TokenBytes(3 + 0xA9), "\xA9");
}

// A character may occur in tokens without being one: it joins all the same.
TEST(GgufLlamaTest, JoinsCharactersThatAreNoTokens) {
  const auto tokenizer = LoadOrDie(LlamaVocab({"▁", "éà", "xéà"}));
  EXPECT_THAT(tokenizer->Encode("éà", {}), ElementsAre(259, 260));
  EXPECT_THAT(tokenizer->Encode("xéà", {}), ElementsAre(259, 261));
  EXPECT_THAT(tokenizer->Encode("é", {}), ElementsAre(259, 3 + 0xC3, 3 + 0xA9));
}

TEST(GgufLlamaTest, EqualScoresJoinLeftmostFirst) {
  VocabBuilder vocab = LlamaVocab({"▁", "ab", "ba"});
  (*vocab.scores)[260] = (*vocab.scores)[261] = -1;
  const auto tokenizer = LoadOrDie(vocab);
  EXPECT_THAT(tokenizer->Encode("aba", {}), ElementsAre(259, 260, 3 + 'a'));
  EXPECT_THAT(tokenizer->Encode("bab", {}), ElementsAre(259, 261, 3 + 'b'));
}

TEST(GgufLlamaTest, TokensThatSpanWordsAreFound) {
  const auto tokenizer = LoadOrDie(LlamaVocab({"▁b", "a▁b", "▁", "a", "b"}));
  EXPECT_THAT(tokenizer->Encode("a b", {}), ElementsAre(261, 260));
}

TEST(GgufLlamaTest, WithoutTheDummySpace) {
  VocabBuilder vocab = TheVocab();
  vocab.SetBool("add_space_prefix", false);
  const auto tokenizer = LoadOrDie(vocab);
  EXPECT_EQ(tokenizer->StartBytes(261), " the");
  EXPECT_THAT(tokenizer->Encode("the", {}), ElementsAre(263, 260));
  EXPECT_THAT(tokenizer->Encode(" the", {}), ElementsAre(261));
  EXPECT_EQ(tokenizer->Decode({261}), " the");
}

TEST(GgufLlamaTest, UnknownCharactersInARunAreOneUnknownToken) {
  VocabBuilder vocab;
  vocab.scores.emplace();
  vocab.types.emplace();
  vocab.Add("<unk>", TokenType::kUnknown);
  vocab.Add("▁");
  vocab.Add("a");
  const auto tokenizer = LoadOrDie(vocab);
  EXPECT_THAT(tokenizer->Encode("azéa\xFF", {}), ElementsAre(1, 2, 0, 2, 0));
  EXPECT_EQ(tokenizer->Decode({1, 2, 0, 2}), "a\uFFFDa");
}

TEST(GgufLlamaTest, ControlTokensInTextStayText) {
  const auto tokenizer = LoadOrDie(LlamaVocab({"</", "s>", "▁", "<", "/", "s", ">", "<s"}));
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

TEST(GgufLlamaTest, UserDefinedTokensAreAlwaysCutOut) {
  VocabBuilder vocab = TheVocab();
  const int32_t tool = vocab.Add("<tool>", TokenType::kUserDefined);
  const int32_t spaces = vocab.Add("▁▁▁", TokenType::kUserDefined);
  const auto tokenizer = LoadOrDie(vocab);
  EXPECT_THAT(tokenizer->Encode("t<tool>t", {}), ElementsAre(259, tool, 263));
  EXPECT_THAT(tokenizer->Encode("t   t", {}), ElementsAre(259, spaces, 263));
  for (const char* text : {"<tool>", " <tool> t", "   ", "    t", "<tool>   ", "t<tool>   t"}) {
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text, {})), text);
  }
}

TEST(GgufLlamaTest, UnusedTokensAreDecodedButNotProduced) {
  VocabBuilder vocab = TheVocab();
  const int32_t unused = vocab.Add("tt", TokenType::kUnused);
  const auto tokenizer = LoadOrDie(vocab);
  EXPECT_THAT(tokenizer->Encode("tt", {}), ElementsAre(259, 263));
  EXPECT_EQ(tokenizer->Decode({259, unused}), "ttt");
}

TEST(GgufLlamaTest, DuplicateTokensAreToleratedAndTheFirstWins) {
  VocabBuilder vocab = TheVocab();
  vocab.Add("▁the");
  vocab.Add("<0x41>", TokenType::kByte);
  const auto tokenizer = LoadOrDie(vocab);
  EXPECT_THAT(tokenizer->Encode("the", {}), ElementsAre(261));
  EXPECT_THAT(tokenizer->Encode("A", {}), ElementsAre(262, 3 + 'A'));
  EXPECT_EQ(tokenizer->TokenBytes(267), " the");
}

TEST(GgufLlamaTest, BosAndEosOnRequest) {
  const auto tokenizer = LoadOrDie(TheVocab());
  EXPECT_TRUE(tokenizer->default_add_bos());
  EXPECT_FALSE(tokenizer->default_add_eos());
  EXPECT_THAT(tokenizer->Encode("the", {.add_bos = true, .add_eos = true}), ElementsAre(1, 261, 2));
  EXPECT_THAT(tokenizer->Encode("", {.add_bos = true, .add_eos = true}), ElementsAre(1, 2));
  EXPECT_EQ(tokenizer->Decode({1, 261, 2}), "the");
}

TEST(GgufLlamaTest, RoundTripsDifficultTexts) {
  const auto tokenizer = LoadOrDie(TheVocab());
  for (const std::string& text : DifficultTexts()) {
    const Ids ids = tokenizer->Encode(text, {});
    std::string bytes, repaired;
    for (const int32_t id : ids) bytes += tokenizer->TokenBytes(id);
    AppendUtf8(text.empty() ? "" : " " + text, /*at_end=*/true, &repaired);
    EXPECT_EQ(bytes, repaired);
  }
}

// 0 <unk>, 1 </s>, then pieces with these scores.
VocabBuilder T5Vocab() {
  VocabBuilder vocab;
  vocab.model = "t5";
  vocab.scores.emplace();
  vocab.types.emplace();
  vocab.Add("<unk>", TokenType::kUnknown);
  vocab.Add("</s>", TokenType::kControl);
  const std::pair<const char*, float> pieces[] = {
      {"▁", -3}, {"▁the", -2}, {"▁th", -1.5f}, {"e", -2}, {"▁a", -2.5f}, {"b", -4}, {"á", -3}};
  for (const auto& [text, score] : pieces) {
    vocab.Add(text);
    vocab.scores->back() = score;
  }
  vocab.SetUint("eos_token_id", 1);
  vocab.SetBool("add_space_prefix", true);
  vocab.SetBool("remove_extra_whitespaces", true);
  return vocab;
}

TEST(GgufT5Test, TakesTheBestPieces) {
  const auto tokenizer = LoadOrDie(T5Vocab());
  EXPECT_EQ(tokenizer->model_name(), "t5");
  EXPECT_THAT(tokenizer->Encode("the", {}), ElementsAre(3));
  EXPECT_THAT(tokenizer->Encode("  the   a ", {}), ElementsAre(3, 6));
  EXPECT_THAT(tokenizer->Encode("bxyb", {}), ElementsAre(2, 7, 0, 7));
  EXPECT_THAT(tokenizer->Encode("a", {.add_bos = true, .add_eos = true}), ElementsAre(6, 1));
  EXPECT_TRUE(tokenizer->default_add_eos());
  EXPECT_FALSE(tokenizer->default_add_bos());
  EXPECT_EQ(tokenizer->Decode({3, 6, 1}), "the a");
  EXPECT_THAT(tokenizer->Encode("</s>", {}), Not(Contains(1)));
}

TEST(GgufT5Test, NormalizesWithTheRulesOfTheFile) {
  VocabBuilder vocab = T5Vocab();
  const std::string map = CharsmapBuilder({{"ａ\u0301", "á"}, {"Ｂ", "b"}}).Bytes();
  vocab.more_keys.push_back(
      RawKey("tokenizer.ggml.precompiled_charsmap", 9, RawArray(0, map.size(), map)));
  EXPECT_THAT(LoadOrDie(vocab)->Encode("ａ\u0301Ｂ", {}), ElementsAre(2, 8, 7));
  const std::string cut = map.substr(0, 9);
  vocab.more_keys.back() =
      RawKey("tokenizer.ggml.precompiled_charsmap", 9, RawArray(0, cut.size(), cut));
  const auto broken = vocab.Load();
  EXPECT_EQ(broken.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(broken.status().message()),
              HasSubstr("vocab.gguf: tokenizer.ggml.precompiled_charsmap: a trie of"));
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
  EXPECT_EQ(tokenizer_->TokenBytes(419), " To");
  EXPECT_EQ(tokenizer_->StartBytes(419), "To");
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
