#include "runtime/tokenizer/hf_vocab_and_merges.h"

#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/runtime/tokenizer/golden_tokenizers.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json ReadJson(const std::string& name) {
  std::ifstream file(absl::StrCat(GoldenTokenizers(), "/", name));
  return json::parse(file);
}

/// The files of the older form with what a golden tokenizer.json holds.
void WriteOlderForm(const std::string& name, const TemporaryFolder& folder) {
  const json whole = ReadJson(name + ".json");
  folder.Write("vocab.json", whole["model"]["vocab"].dump());
  std::string merges = "#version: 0.2\n";
  for (const json& merge : whole["model"]["merges"]) {
    absl::StrAppend(&merges, merge[0].get<std::string>(), " ", merge[1].get<std::string>(), "\n");
  }
  folder.Write("merges.txt", merges);
  json added;
  for (const json& token : whole["added_tokens"]) added[token["content"]] = token["id"];
  folder.Write("added_tokens.json", added.dump());
  folder.Write("special_tokens_map.json",
               R"({"bos_token": {"content": "<|begin|>"}, "eos_token": "<|end|>"})");
}

struct ClassCase {
  const char *golden, *tokenizer_class;
};

class VocabAndMergesTest : public testing::TestWithParam<ClassCase> {};

TEST_P(VocabAndMergesTest, GivesTheIdsOfTheSameTokenizerInOneFile) {
  const TemporaryFolder folder;
  WriteOlderForm(GetParam().golden, folder);
  folder.Write("tokenizer_config.json",
               absl::StrCat(R"({"tokenizer_class": ")", GetParam().tokenizer_class, "\"}"));
  const auto tokenizer = Tokenizer::FromDirectory(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->bos(), 600);
  EXPECT_THAT((*tokenizer)->end_ids(), testing::Contains(601));
  const json texts = ReadJson("texts.json");
  const json expected = ReadJson(absl::StrCat(GetParam().golden, ".expected.json"));
  ASSERT_EQ(texts.size(), expected.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string hex = texts[i].value("hex", "");
    const std::string text = hex.empty() ? texts[i].value("text", "") : absl::HexStringToBytes(hex);
    const std::vector<int32_t> ids = (*tokenizer)->Encode(text, {.parse_control = true});
    EXPECT_EQ(ids, expected[i]["ids"].get<std::vector<int32_t>>()) << i << ": " << text;
  }
  // What users write stays text.
  const std::vector<int32_t> plain = (*tokenizer)->Encode("<|end|>", {.parse_control = false});
  EXPECT_THAT(plain, testing::Not(testing::Contains(601)));
}

INSTANTIATE_TEST_SUITE_P(Classes, VocabAndMergesTest,
                         testing::Values(ClassCase{"gpt2", "GPT2Tokenizer"},
                                         ClassCase{"gpt2", "GPT2TokenizerFast"},
                                         ClassCase{"gpt2", ""},
                                         ClassCase{"qwen2", "Qwen2Tokenizer"}));

TEST(VocabAndMerges, UsualSpecialTokenNeedsNoFile) {
  const TemporaryFolder folder;
  folder.Write("vocab.json", R"({"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3})");
  folder.Write("merges.txt", "a b\r\n");
  const auto tokenizer = Tokenizer::FromDirectory(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->Encode("abb<|endoftext|>a", {.parse_control = true}),
            (std::vector<int32_t>{2, 1, 3, 0}));
  EXPECT_THAT((*tokenizer)->end_ids(), testing::Contains(3));
}

TEST(VocabAndMerges, ErrorsNameFileAndField) {
  const struct {
    const char *file, *text, *message;
  } kCases[] = {
      {"vocab.json", "", "vocab.json: "},
      {"vocab.json", "{\"a\": 0", "vocab.json: "},
      {"vocab.json", "{\"a\": 0}, \"x\": {", "vocab.json: "},
      {"vocab.json", "{\"a\": 0, \"a\": 1}", "vocab.json: a"},
      {"vocab.json", "{\"\xff\": 0}", "vocab.json: text: is not valid UTF-8"},
      {"vocab.json", "[]", "vocab.json and merges.txt: model"},
      {"vocab.json", "{}", "vocab.json and merges.txt: model.vocab: the vocabulary is empty"},
      {"vocab.json", R"({"a": 0, "b": -1})", "model.vocab.b"},
      {"vocab.json", R"({"a": 0, "b": 0})", "model.vocab.b"},
      {"vocab.json", R"({"a": 0, "b": 2147483648})", "model.vocab.b"},
      {"merges.txt", "a b\nab\n", "merges.txt: line 2: is not two parts"},
      {"merges.txt", "a b c\n", "merges.txt: line 1: is not two parts"},
      {"merges.txt", " b\n", "merges.txt: line 1: is not two parts"},
      {"merges.txt", "a \xff\n", "merges.txt: text: is not valid UTF-8"},
      {"merges.txt", "a c\n", "model.merges[0]: names a part"},
      {"added_tokens.json", R"({"x": -1})", "added_tokens.json: x"},
      {"added_tokens.json", R"({"x": 1e9})", "added_tokens.json: x"},
      {"added_tokens.json", R"({"x": 2147483647})", "added_tokens[0]"},
      {"added_tokens.json", R"({"": 3})", "added_tokens[0]"},
      {"added_tokens.json", "[]", "added_tokens.json: "},
      {"special_tokens_map.json", R"({"bos_token": 1})", "special_tokens_map.json: bos_token"},
      {"special_tokens_map.json", R"({"bos_token": "z"})", "'z' is no token"},
  };
  for (const auto& test : kCases) {
    const TemporaryFolder folder;
    folder.Write("vocab.json", R"({"a": 0, "b": 1, "ab": 2})");
    folder.Write("merges.txt", "#version: 0.2\na b\n");
    ASSERT_TRUE(Tokenizer::FromDirectory(folder.path()).ok());
    folder.Write(test.file, test.text);
    const absl::Status status = Tokenizer::FromDirectory(folder.path()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << test.text << ": " << status;
    EXPECT_THAT(std::string(status.message()),
                testing::AllOf(HasSubstr(folder.path()), HasSubstr(test.message)));
  }
}

TEST(VocabAndMerges, OtherClassesAreRefusedByName) {
  const TemporaryFolder folder;
  folder.Write("vocab.json", R"({"a": 0})");
  folder.Write("merges.txt", "");
  folder.Write("tokenizer_config.json", R"({"tokenizer_class": "CLIPTokenizer"})");
  const absl::Status status = Tokenizer::FromDirectory(folder.path()).status();
  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("tokenizer_class: \"CLIPTokenizer\" is not supported without a "
                        "tokenizer.json"));
}

}  // namespace
}  // namespace quantd
