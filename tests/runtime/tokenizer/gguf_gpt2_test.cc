#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/tokenizer/byte_alphabet.h"
#include "runtime/tokenizer/pre_tokenizer_rules.h"
#include "runtime/tokenizer/tokenizer.h"
#include "runtime/tokenizer/utf8.h"
#include "tests/runtime/tokenizer/vocab_builder.h"

namespace quantd {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

// 256 "Ġt", 257 "he", 258 "Ġthe", 259 "th"
VocabBuilder TheVocab(const std::string& pre = "gpt-2") {
  return BpeVocab(pre, {"Ġ t", "h e", "Ġt he", "t h"});
}

TEST(GgufGpt2Test, JoinsInTheOrderOfTheMergeList) {
  const auto tokenizer = LoadOrDie(TheVocab());
  EXPECT_THAT(tokenizer->Encode("the the", {}), ElementsAre('t', 257, 258));
  EXPECT_THAT(tokenizer->Encode("th", {}), ElementsAre(259));
  EXPECT_THAT(tokenizer->Encode(" t he", {}), ElementsAre(256, ' ', 257));
  EXPECT_THAT(tokenizer->Encode("", {}), IsEmpty());
  EXPECT_EQ(tokenizer->Decode({'t', 257, 258}), "the the");
  EXPECT_EQ(tokenizer->Decode({258}), " the");
  EXPECT_EQ(tokenizer->pre_name(), "gpt-2");
  EXPECT_EQ(tokenizer->model_name(), "gpt2");
}

TEST(GgufGpt2Test, TokensAreSpelledInTheByteAlphabet) {
  const auto tokenizer = LoadOrDie(TheVocab());
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    if (byte < 0x80) {
      EXPECT_THAT(tokenizer->Encode(text, {}), ElementsAre(byte));
    }
    EXPECT_EQ(tokenizer->TokenBytes(byte), text);
  }
  EXPECT_THAT(tokenizer->Encode("é", {}), ElementsAre(0xC3, 0xA9));
}

// As HuggingFace's and SentencePiece's tokenizers read such bytes.
TEST(GgufGpt2Test, WhatIsNoUtf8IsTheReplacementCharacter) {
  const auto tokenizer = LoadOrDie(TheVocab());
  EXPECT_THAT(tokenizer->Encode("\xFF", {}), ElementsAre(0xEF, 0xBF, 0xBD));
  EXPECT_EQ(tokenizer->Encode("a\xE4\xB8 b\xF0\x9F", {}), tokenizer->Encode("a\uFFFD b\uFFFD", {}));
  EXPECT_EQ(tokenizer->Encode("\xED\xA0\x80", {}), tokenizer->Encode("\uFFFD\uFFFD\uFFFD", {}));
}

// "llama-bpe" vocabularies hold tokens that their merges do not reach.
TEST(GgufGpt2Test, WholeWordsNeedNoMergesWhereTheRuleSaysSo) {
  for (const char* pre : {"llama-bpe", "qwen2"}) {
    VocabBuilder vocab = TheVocab(pre);
    const int32_t word = vocab.Add("Ġxyz");
    const auto tokenizer = LoadOrDie(vocab);
    if (std::string(pre) == "llama-bpe") {
      EXPECT_THAT(tokenizer->Encode("a xyz", {}), ElementsAre('a', word));
      EXPECT_TRUE(tokenizer->default_add_bos());
    } else {
      EXPECT_THAT(tokenizer->Encode("a xyz", {}), ElementsAre('a', ' ', 'x', 'y', 'z'));
      EXPECT_FALSE(tokenizer->default_add_bos());
    }
  }
}

TEST(GgufGpt2Test, AddedTokensAreCutOut) {
  VocabBuilder vocab = TheVocab();
  const int32_t end = vocab.Add("<|endoftext|>", TokenType::kControl);
  const int32_t user = vocab.Add("<|User|>", TokenType::kUserDefined);
  const int32_t letter = vocab.Add("ø", TokenType::kUserDefined);
  const auto tokenizer = LoadOrDie(vocab);
  EXPECT_THAT(tokenizer->Encode("th<|User|>th", {}), ElementsAre(259, user, 259));
  EXPECT_THAT(tokenizer->Encode("ø", {}), ElementsAre(letter));
  EXPECT_EQ(tokenizer->Decode({letter, user}), "ø<|User|>");
  EXPECT_THAT(tokenizer->Encode("<|endoftext|>", {}), Not(Contains(end)));
  EXPECT_THAT(tokenizer->Encode("<|endoftext|>th", {.parse_control = true}), ElementsAre(end, 259));
  EXPECT_THAT(tokenizer->end_ids(), ElementsAre(end));
  EXPECT_EQ(tokenizer->Decode({end}), "");
}

// A merge list that spells a control token does not make it of text.
TEST(GgufGpt2Test, MergesNeverMakeControlTokens) {
  VocabBuilder vocab = BpeVocab("gpt-2", {"< s", "<s >"});
  (*vocab.types)[257] = static_cast<int32_t>(TokenType::kControl);
  const auto tokenizer = LoadOrDie(vocab);
  const Ids ids = tokenizer->Encode("<s>", {});
  EXPECT_THAT(ids, Not(Contains(257)));
  EXPECT_EQ(tokenizer->Decode(ids), "<s>");
}

TEST(GgufGpt2Test, BytesWithoutATokenBecomeTheReplacementCharacter) {
  VocabBuilder vocab = TheVocab();
  (*vocab.types)[0xC5] = static_cast<int32_t>(TokenType::kUserDefined);  // "Å" itself
  const auto tokenizer = LoadOrDie(vocab);
  EXPECT_THAT(tokenizer->Encode("aŔ", {}), ElementsAre('a', 0xEF, 0xBF, 0xBD, 0x94));
  EXPECT_THAT(tokenizer->Encode("Å", {}), ElementsAre(0xC5));

  const int32_t unknown = vocab.Add("<unk>", TokenType::kUnknown);
  EXPECT_THAT(LoadOrDie(vocab)->Encode("aŔ", {}), ElementsAre('a', unknown, 0x94));
}

TEST(GgufGpt2Test, RoundTripsAnyTextUnderEveryRule) {
  std::mt19937 random(5);
  for (const PreTokenizerRule& rule : PreTokenizerRules()) {
    const auto tokenizer = LoadOrDie(TheVocab(rule.names[0]));
    std::vector<std::string> texts = DifficultTexts();
    for (int i = 0; i < 100; ++i) {
      std::string& text = texts.emplace_back();
      for (int length = random() % 200; length > 0; --length) {
        // Half of them ASCII, so that words and their boundaries occur.
        text.push_back(static_cast<char>(i % 2 ? random() % 128 : random()));
      }
    }
    for (const std::string& text : texts) {
      std::string bytes, repaired;
      for (const int32_t id : tokenizer->Encode(text, {})) bytes += tokenizer->TokenBytes(id);
      AppendUtf8(text, /*at_end=*/true, &repaired);
      ASSERT_EQ(bytes, repaired) << rule.names[0];
    }
  }
}

TEST(GgufGpt2Test, FourMegabytesOfOneCharacter) {
  std::vector<std::string> merges = {"a a"};
  for (std::string run = "aa"; run.size() <= 128; run += run) merges.push_back(run + " " + run);
  const auto tokenizer = LoadOrDie(BpeVocab("gpt-2", merges));
  const Ids ids = tokenizer->Encode(std::string(4 << 20, 'a'), {});
  EXPECT_EQ(ids.size(), (4u << 20) / 256);
  EXPECT_THAT(ids, Each(256 + 7));
}

}  // namespace
}  // namespace quantd
