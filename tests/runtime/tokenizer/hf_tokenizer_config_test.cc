#include "runtime/tokenizer/hf_tokenizer_config.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<HfTokenizerConfig> Read(const TemporaryFolder& folder) {
  const auto directory = ModelDirectory::Open(folder.path());
  EXPECT_TRUE(directory.ok()) << directory.status();
  return ReadHfTokenizerConfig(*directory);
}

TEST(HfTokenizerConfigTest, EveryFileIsOptional) {
  const auto config = Read(TemporaryFolder());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->path, "");
  EXPECT_FALSE(config->bos.has_value());
}

TEST(HfTokenizerConfigTest, ReadsTokensAndFlags) {
  const TemporaryFolder folder;
  folder.Write("tokenizer_config.json", R"({"bos_token": "<s>",
      "eos_token": {"content": "</s>", "lstrip": false}, "unk_token": "<unk>", "pad_token": null,
      "add_bos_token": true, "add_eos_token": false, "additional_special_tokens": ["<a>", "<b>"],
      "added_tokens_decoder": {"10": {"content": "<b>", "special": true, "lstrip": true},
                               "9": {"content": "x", "special": false}},
      "chat_template": "{{ x }}", "model_max_length": 1e30})");
  folder.Write("generation_config.json", R"({"eos_token_id": 7})");
  const auto config = Read(folder);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->bos, "<s>");
  EXPECT_EQ(config->eos, "</s>");
  EXPECT_EQ(config->add_bos, true);
  EXPECT_EQ(config->add_eos, false);
  EXPECT_THAT(config->control, ElementsAre("<s>", "</s>", "<a>", "<b>"));
  ASSERT_EQ(config->added.size(), 2u);
  EXPECT_EQ(config->added[0].token.id, 9);
  EXPECT_FALSE(config->added[0].token.control);
  EXPECT_TRUE(config->added[1].token.lstrip);
  EXPECT_THAT(config->end_ids, ElementsAre(7));
}

TEST(HfTokenizerConfigTest, ErrorsNameFileAndKey) {
  const struct {
    const char *file, *text, *message;
  } kCases[] = {
      {"tokenizer_config.json", "[]", "tokenizer_config.json: top level"},
      {"tokenizer_config.json", R"({"bos_token": 1})", "tokenizer_config.json: bos_token"},
      {"tokenizer_config.json", R"({"eos_token": {}})", "eos_token.content: the key is missing"},
      {"tokenizer_config.json", R"({"add_bos_token": 1})", "add_bos_token: expected a bool"},
      {"tokenizer_config.json", R"({"added_tokens_decoder": {"-1": {"content": "x"}}})",
       "added_tokens_decoder: '-1' is no id"},
      {"tokenizer_config.json", R"({"added_tokens_decoder": {"1": {"content": ""}}})",
       "added_tokens_decoder.1.content: has 0 bytes"},
      {"generation_config.json", R"({"eos_token_id": -1})", "eos_token_id: -1 is outside"},
  };
  for (const auto& test : kCases) {
    const TemporaryFolder folder;
    folder.Write(test.file, test.text);
    const auto config = Read(folder);
    ASSERT_FALSE(config.ok()) << test.text;
    EXPECT_EQ(config.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(config.status().message()), HasSubstr(test.message));
  }
}

}  // namespace
}  // namespace quantd
