#include "runtime/tokenizer/sentencepiece_file.h"

#include <cmath>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/tokenizer/sentencepiece_builder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& bytes,
                                                const HfTokenizerConfig& config = {}) {
  return MakeSentencePieceTokenizer(bytes, "tokenizer.model", config);
}

TEST(SentencePieceFileTest, ReadsBothModels) {
  const auto bpe = Load(SentencePieceModel(2));
  ASSERT_TRUE(bpe.ok()) << bpe.status();
  EXPECT_THAT((*bpe)->Encode("ab bax", {}), ElementsAre(3, 8, 6, 7, 0));
  EXPECT_TRUE((*bpe)->default_add_bos());
  EXPECT_FALSE((*bpe)->default_add_eos());
  EXPECT_EQ((*bpe)->bos(), 1);
  EXPECT_EQ((*bpe)->eos(), 2);
  const auto unigram = Load(SentencePieceModel(1));
  ASSERT_TRUE(unigram.ok()) << unigram.status();
  EXPECT_THAT((*unigram)->Encode("ab ab", {}), ElementsAre(3, 3));
  EXPECT_FALSE((*unigram)->default_add_bos());
  EXPECT_TRUE((*unigram)->default_add_eos());
  EXPECT_EQ((*unigram)->Decode({3, 3}), "ab ab");
}

TEST(SentencePieceFileTest, TakesAddedTokensFromTheConfiguration) {
  HfTokenizerConfig config;
  config.path = "tokenizer_config.json";
  config.eos = "<end>";
  config.added = {{.token = {.text = "<s>", .id = 1, .control = true}},
                  {.token = {.text = "<end>", .id = 10, .control = true}},
                  {.token = {.text = "<t>", .id = 11, .rstrip = true}}};
  const auto tokenizer = Load(SentencePieceModel(2), config);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->vocab_size(), 12);
  EXPECT_EQ((*tokenizer)->eos(), 10);
  EXPECT_EQ((*tokenizer)->type(9), TokenType::kUnused);
  EXPECT_THAT((*tokenizer)->Encode("<t> ab<end>", {.parse_control = true}), ElementsAre(11, 4, 10));
}

std::string With(const std::string& piece) {
  return SentencePieceModel(2) + ProtobufBuilder().Bytes(1, piece).bytes();
}
std::string Training(const ProtobufBuilder& settings) {
  return SentencePieceModel(2) + ProtobufBuilder().Bytes(2, settings.bytes()).bytes();
}
std::string Normalization(const ProtobufBuilder& settings) {
  return SentencePieceModel(2) + ProtobufBuilder().Bytes(3, settings.bytes()).bytes();
}

TEST(SentencePieceFileTest, ErrorsNameTheField) {
  const struct {
    std::string bytes;
    const char* message;
    absl::StatusCode code = absl::StatusCode::kDataLoss;
  } kCases[] = {
      {"", "pieces: the vocabulary is empty"},
      {"not a model", "top level: field "},
      {SentencePieceModel(2).substr(0, 40), "top level: field 1 has "},
      {ProtobufBuilder().Bytes(1, SentencePiece("a", 0)).bytes(),
       "pieces: none is of type UNKNOWN"},
      {With(SentencePiece("c", NAN)), "pieces[9]: its score is no number"},
      {With(SentencePiece("c", 0, 7)), "pieces[9]: has type 7"},
      {With(SentencePiece("c", 0, 0)), "pieces[9]: has type 0"},
      {With(SentencePiece("<0x-1>", 0, 6)), "pieces[9]: is of type BYTE"},
      {With(SentencePiece(std::string(2000, 'a'), 0)), "pieces[9]: has 2000 bytes"},
      {With("\x0A"), "pieces[9]: a number breaks off"},
      {Training(ProtobufBuilder().Int(3, 4)), "trainer_spec.model_type: is CHAR",
       absl::StatusCode::kUnimplemented},
      {Training(ProtobufBuilder().Int(24, 1)), "trainer_spec.treat_whitespace_as_suffix",
       absl::StatusCode::kUnimplemented},
      {Normalization(ProtobufBuilder().Int(5, 0)), "normalizer_spec.escape_whitespaces",
       absl::StatusCode::kUnimplemented},
      {Normalization(ProtobufBuilder().Bytes(2, "x")),
       "normalizer_spec.precompiled_charsmap: 1 bytes"},
  };
  for (const auto& test : kCases) {
    const auto tokenizer = Load(test.bytes);
    ASSERT_FALSE(tokenizer.ok()) << test.message;
    EXPECT_EQ(tokenizer.status().code(), test.code) << tokenizer.status();
    EXPECT_THAT(std::string(tokenizer.status().message()),
                testing::AllOf(testing::StartsWith("tokenizer.model: "), HasSubstr(test.message)));
  }
}

TEST(SentencePieceFileTest, ErrorsNameTheConfiguration) {
  HfTokenizerConfig config;
  config.path = "tokenizer_config.json";
  config.bos = "<none>";
  EXPECT_THAT(std::string(Load(SentencePieceModel(2), config).status().message()),
              HasSubstr("tokenizer_config.json: bos_token: '<none>' is no token"));
  config.bos.reset();
  config.added = {{.token = {.text = "x", .id = 2147483647}}};
  EXPECT_THAT(std::string(Load(SentencePieceModel(2), config).status().message()),
              HasSubstr("added_tokens_decoder.2147483647: in a vocabulary of 9 tokens"));
  config.added = {{.token = {.text = "x", .id = 4}}};
  EXPECT_THAT(std::string(Load(SentencePieceModel(2), config).status().message()),
              HasSubstr("added_tokens_decoder.4: is 'ab' in tokenizer.model"));
}

}  // namespace
}  // namespace quantd
