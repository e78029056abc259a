#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/runtime/tokenizer/vocab_builder.h"

namespace quantd {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// 0 [UNK], 1 [CLS], 2 [SEP], 3 "▁un", 4 "aff", 5 "able", 6 "▁,", 7 "▁中", 8 "▁e", 9 "▁["
VocabBuilder BertVocab() {
  VocabBuilder vocab;
  vocab.model = "bert";
  vocab.types.emplace();
  vocab.Add("[UNK]", TokenType::kControl);
  vocab.Add("[CLS]", TokenType::kControl);
  vocab.Add("[SEP]", TokenType::kControl);
  for (const char* piece : {"▁un", "aff", "able", "▁,", "▁中", "▁e", "▁["}) vocab.Add(piece);
  vocab.SetUint("unknown_token_id", 0);
  vocab.SetUint("cls_token_id", 1);
  vocab.SetUint("seperator_token_id", 2);
  return vocab;
}

TEST(GgufBertTest, CutsWordsIntoPieces) {
  const auto tokenizer = LoadOrDie(BertVocab());
  EXPECT_THAT(tokenizer->Encode("UnAffable,  unx 中中\u00C9", {}),
              ElementsAre(3, 4, 5, 6, 0, 7, 7, 8));
  EXPECT_THAT(tokenizer->Encode("un", {.add_bos = true, .add_eos = true}), ElementsAre(1, 3, 2));
  EXPECT_TRUE(tokenizer->default_add_bos());
  EXPECT_TRUE(tokenizer->default_add_eos());
  EXPECT_EQ(tokenizer->Decode({1, 3, 4, 5, 6, 3, 2}), "unaffable , un");
  EXPECT_EQ(tokenizer->StartBytes(3), "un");
}

TEST(GgufBertTest, ControlTokensInTextStayText) {
  const auto tokenizer = LoadOrDie(BertVocab());
  EXPECT_THAT(tokenizer->Encode("[SEP]", {}), Not(Contains(2)));
  EXPECT_THAT(tokenizer->Encode("[SEP]", {.parse_control = true}), ElementsAre(2));
}

TEST(GgufBertTest, CaseAndAccentsStayWhereTheFileSaysSo) {
  VocabBuilder vocab = BertVocab();
  vocab.SetBool("normalizer.lowercase", false);
  const int32_t upper = vocab.Add("▁É");
  EXPECT_THAT(LoadOrDie(vocab)->Encode("É un Un", {}), ElementsAre(upper, 3, 0));
}

TEST(GgufBertTest, NeedsAnUnknownToken) {
  VocabBuilder vocab = BertVocab();
  vocab.more_keys.clear();
  const auto tokenizer = vocab.Load();
  EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(tokenizer.status().message()),
              HasSubstr("vocab.gguf: tokenizer.ggml.unknown_token_id: missing"));
}

}  // namespace
}  // namespace quantd
