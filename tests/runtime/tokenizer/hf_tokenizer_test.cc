#include "runtime/tokenizer/hf_tokenizer.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/tokenizer/hf_builder.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A few added tokens of every sort.
HfBuilder WithAddedTokens() {
  HfBuilder file;
  file.members["normalizer"] = R"({"type": "Lowercase"})";
  file.members["added_tokens"] = R"([
      {"id": 8, "content": "<s>", "special": true, "normalized": false},
      {"id": 9, "content": "</s>", "special": true, "normalized": false},
      {"id": 10, "content": "AB", "normalized": true},
      {"id": 11, "content": "CD", "normalized": false},
      {"id": 12, "content": "da", "normalized": false, "single_word": true},
      {"id": 13, "content": "<m>", "special": true, "normalized": false, "lstrip": true,
       "rstrip": true}])";
  return file;
}

TEST(HfTokenizerTest, AddedTokensAreCutOutOfTheTextOrOfTheNormalizedText) {
  const auto tokenizer = WithAddedTokens().Load();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT((*tokenizer)->Encode("CDcdABab", {}), ElementsAre(11, 6, 10, 10));
  EXPECT_THAT((*tokenizer)->Encode("dada", {}), ElementsAre(4, 1, 4, 1));
  EXPECT_THAT((*tokenizer)->Encode("da.da", {}), ElementsAre(12, 0, 12));
  EXPECT_THAT((*tokenizer)->Encode("a <m> \nb", {.parse_control = true}), ElementsAre(1, 13, 2));
  EXPECT_THAT((*tokenizer)->Encode("<s>", {}), ElementsAre(0, 0, 0));
  EXPECT_THAT((*tokenizer)->Encode("<s>", {.parse_control = true}), ElementsAre(8));
  EXPECT_EQ((*tokenizer)->type(8), TokenType::kControl);
  EXPECT_EQ((*tokenizer)->type(11), TokenType::kUserDefined);
  EXPECT_EQ((*tokenizer)->type(0), TokenType::kUnknown);
}

// As in a chat prompt, where the words of the user are plain.
TEST(HfTokenizerTest, NormalizedControlTokensAreSeenBesidePlainText) {
  HfBuilder file;
  file.members["normalizer"] = R"({"type": "Lowercase"})";
  file.members["added_tokens"] =
      R"([{"id": 8, "content": "<S>", "special": true, "normalized": true}])";
  const auto tokenizer = file.Load();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::string text = "<S>a<S>b<S>";
  EXPECT_THAT((*tokenizer)->Encode(text, {.parse_control = true}), ElementsAre(8, 1, 8, 2, 8));
  const TextRange plain[] = {{3, 8}};
  EXPECT_THAT((*tokenizer)->Encode(text, {.parse_control = true, .plain = plain}),
              ElementsAre(8, 1, 0, 0, 0, 2, 8));
}

TEST(HfTokenizerTest, ConfigurationNamesWhatFramesAText) {
  HfTokenizerConfig config;
  config.bos = "<s>";
  config.eos = "</s>";
  config.add_bos = true;
  config.end_ids = {13, 9, 1000};
  const auto tokenizer = WithAddedTokens().Load(config);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->bos(), 8);
  EXPECT_EQ((*tokenizer)->eos(), 9);
  EXPECT_TRUE((*tokenizer)->default_add_bos());
  EXPECT_FALSE((*tokenizer)->default_add_eos());
  EXPECT_THAT((*tokenizer)->end_ids(), ElementsAre(9, 13));
  EXPECT_THAT((*tokenizer)->Encode("a", {.add_bos = true, .add_eos = true}), ElementsAre(8, 1, 9));
}

TEST(HfTokenizerTest, ThePostProcessorFramesATextUnlessTheConfigurationForbids) {
  HfBuilder file = WithAddedTokens();
  file.members["post_processor"] =
      R"({"type": "BertProcessing", "cls": ["<s>", 8], "sep": ["</s>", 9]})";
  auto tokenizer = file.Load();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->bos(), 8);
  EXPECT_EQ((*tokenizer)->eos(), 9);
  EXPECT_TRUE((*tokenizer)->default_add_bos());
  EXPECT_TRUE((*tokenizer)->default_add_eos());
  HfTokenizerConfig config;
  config.add_bos = false;
  tokenizer = file.Load(config);
  EXPECT_FALSE((*tokenizer)->default_add_bos());
  EXPECT_TRUE((*tokenizer)->default_add_eos());
}

TEST(HfTokenizerTest, TokensThatTheConfigurationCallsSpecialAreControl) {
  HfTokenizerConfig config;
  config.control = {"abcd", "nowhere"};
  const auto tokenizer = HfBuilder().Load(config);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->type(7), TokenType::kControl);
  EXPECT_THAT((*tokenizer)->Encode("abcd", {.parse_control = true}), ElementsAre(7));
  EXPECT_THAT((*tokenizer)->Encode("abcd", {}), ElementsAre(5, 6));
}

TEST(HfTokenizerTest, AFolderPrefersTokenizerJson) {
  const TemporaryFolder folder;
  auto tokenizer = Tokenizer::FromDirectory(folder.path());
  EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr("holds neither"));
  folder.Write("tokenizer.model", "not a model");
  tokenizer = Tokenizer::FromDirectory(folder.path());
  EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr("tokenizer.model: "));
  folder.Write("tokenizer.json", WithAddedTokens().Text());
  folder.Write("tokenizer_config.json", R"({"eos_token": {"content": "</s>"}, "bos_token": null})");
  folder.Write("generation_config.json", R"({"eos_token_id": [9, 13]})");
  tokenizer = Tokenizer::FromDirectory(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT((*tokenizer)->end_ids(), ElementsAre(9, 13));
  EXPECT_EQ((*tokenizer)->model_name(), "BPE");
}

}  // namespace
}  // namespace quantd
