// Tokenizers of GGUF files written as folders, against the files themselves.
#include "runtime/tokenizer/gguf_to_hf.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "runtime/tokenizer/gguf_vocabulary.h"
#include "tests/runtime/tokenizer/golden_tokenizers.h"
#include "tests/runtime/tokenizer/same_tokens.h"
#include "tests/runtime/tokenizer/sample_vocabs.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

std::unique_ptr<GgufFile> OpenOrDie(const std::string& path) {
  auto file = GgufFile::Open(path);
  EXPECT_TRUE(file.ok()) << file.status();
  return *std::move(file);
}

/// Both parse special tokens where they are told to, but for the unknown one, which is none in
/// GGUF.
bool NamesUnknown(const std::string& text) { return absl::StrContains(text, "<unk>"); }

class GgufToHfTest : public testing::Test {
 protected:
  std::unique_ptr<GgufFile> File(const VocabBuilder& vocab) {
    return OpenOrDie(folder_.Write("vocabulary.gguf", vocab.Bytes()));
  }

  /// The tokenizer of the folder that becomes of the file; null, and the test fails, if none does.
  std::unique_ptr<Tokenizer> ThroughFolder(const GgufFile& file) {
    const auto text = GgufToHf(file);
    EXPECT_TRUE(text.ok()) << text.status();
    if (!text.ok()) return nullptr;
    notes_ = text->notes;
    made_.Write("tokenizer.json", text->tokenizer_json);
    made_.Write("tokenizer_config.json", text->tokenizer_config);
    made_.Write("generation_config.json", json{{"eos_token_id", text->end_ids}}.dump());
    auto tokenizer = Tokenizer::FromDirectory(made_.path());
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
  }

  void ExpectSame(const GgufFile& file, const std::vector<std::string>& texts,
                  bool (*differs)(const std::string&) = NamesUnknown) {
    const auto original = Tokenizer::FromGguf(file);
    ASSERT_TRUE(original.ok()) << original.status();
    const std::unique_ptr<Tokenizer> written = ThroughFolder(file);
    ASSERT_NE(written, nullptr);
    EXPECT_EQ(written->bos(), (*original)->bos());
    EXPECT_EQ(written->eos(), (*original)->eos());
    EXPECT_EQ(written->end_ids(), (*original)->end_ids());
    // Some put one there that their vocabulary does not have.
    EXPECT_EQ(written->default_add_bos(), (*original)->default_add_bos() && written->bos());
    EXPECT_EQ(written->default_add_eos(), (*original)->default_add_eos());
    for (const std::string& text : texts) {
      if (differs(text)) continue;
      ExpectSameTokensOf(text, *written, **original, notes_.empty());
    }
  }

  TemporaryFolder folder_, made_;
  std::vector<std::string> notes_;
};

TEST_F(GgufToHfTest, EveryPreTokenizerGivesTheSameTokens) {
  std::vector<std::string> texts = DifficultTexts();
  texts.push_back("the 1234 <tool>the</tool> <|endoftext|>aaaa\n\n");
  for (const PreTokenizerRule& rule : PreTokenizerRules()) {
    SCOPED_TRACE(rule.names[0]);
    ExpectSame(*File(BpeSample(rule.names[0])), texts);
    EXPECT_THAT(notes_, IsEmpty());
  }
}

TEST_F(GgufToHfTest, GoldenVocabulariesGiveTheSameTokens) {
  std::vector<std::string> texts = DifficultTexts();
  for (const json& entry : json::parse(ReadFileOrDie(GoldenTokenizers() + "/texts.json"))) {
    if (entry.contains("text")) texts.push_back(entry["text"].get<std::string>());
  }
  for (const char* name : {"gpt2", "llama3", "deepseek", "starcoder", "o200k", "qwen2", "neox"}) {
    SCOPED_TRACE(name);
    const auto vocabulary = ReadGgufVocabulary(GoldenTokenizerPath(name));
    ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
    GgufWriter writer;
    WriteGgufVocabulary(*vocabulary, static_cast<int32_t>(vocabulary->texts.size()) + 3, &writer);
    const std::string path = folder_.Path("vocabulary.gguf");
    ASSERT_TRUE(writer.Write(path, nullptr).ok());
    ExpectSame(*OpenOrDie(path), texts);
  }
}

TEST_F(GgufToHfTest, ScoresBecomeMerges) {
  std::vector<std::string> texts = DifficultTexts();
  texts.push_back("the aaaaaaa \u00e9a  tea    the \u4e2d\u6587 </s>");
  for (const bool prefix : {true, false}) {
    SCOPED_TRACE(prefix);
    VocabBuilder vocab = LlamaVocab({"▁t", "he", "▁the", "aa", "aaaa", "éa", "▁▁", "中文", "ea",
                                     "▁", "t", "h", "e", "a", "é", "\n", "中", "文"});
    vocab.SetBool("add_space_prefix", prefix);
    ExpectSame(*File(vocab), texts);
    EXPECT_THAT(notes_, IsEmpty());
    vocab.Add("<tool>", TokenType::kUserDefined);
    vocab.Add("▁▁▁", TokenType::kUserDefined);
    ExpectSame(*File(vocab), {"the<tool>", "the", "   "});
    if (prefix) {
      ASSERT_EQ(notes_.size(), 1u);
      EXPECT_THAT(notes_[0], HasSubstr("follows a user-defined token, such as '<tool>'"));
    } else {
      ExpectSame(*File(vocab), {"the<tool>the  <tool> x     y"});
      EXPECT_THAT(notes_, IsEmpty());
    }
  }
}

TEST_F(GgufToHfTest, WhatMergesCannotSayIsNoted) {
  const VocabBuilder vocab = LlamaVocab({"ab", "a", "cde", "c", "de", "d", "e", "▁"});
  ExpectSame(*File(vocab), {"cde", "aaa", "a b"});
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_THAT(notes_[0], HasSubstr("'ab' is made of a character that is no token"));
  ExpectSame(*File(LlamaVocab({"a"})), {});
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_THAT(notes_[0], HasSubstr("U+2581 is no token"));
}

TEST_F(GgufToHfTest, TokensOfOneTextAreNoted) {
  VocabBuilder vocab = LlamaVocab({"▁", "b", "ab", "b", "a"});
  vocab.Add("", TokenType::kUnused);
  vocab.Add("c");
  vocab.Add("[PAD266]", TokenType::kUnused);
  ExpectSame(*File(vocab), {"abab", "cab"});
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_THAT(notes_[0], HasSubstr("have the text of others"));
  EXPECT_THAT(notes_[0], HasSubstr("[PADn]: 262"));
  const json file = json::parse(ReadFileOrDie(made_.Path("tokenizer.json")));
  EXPECT_EQ(file["model"]["vocab"]["[PAD264]"], 264);
  EXPECT_EQ(file["model"]["vocab"].size(), 266u);  // none for the last, which is unused
}

TEST_F(GgufToHfTest, FramesAreTheVocabularysDefault) {
  VocabBuilder vocab = LlamaSample();
  vocab.SetBool("add_bos_token", true);
  vocab.SetBool("add_eos_token", true);
  vocab.SetUint("padding_token_id", 0);
  ExpectSame(*File(vocab), {"the", ""});
  const json config = json::parse(ReadFileOrDie(made_.Path("tokenizer_config.json")));
  EXPECT_EQ(config["bos_token"], "<s>");
  EXPECT_EQ(config["pad_token"], "<unk>");
  EXPECT_EQ(config["add_eos_token"], true);
}

TEST_F(GgufToHfTest, WhatATokenizerJsonCannotSayIsRefusedByName) {
  const auto refusal = [&](const VocabBuilder& vocab) {
    const absl::Status status = GgufToHf(*File(vocab)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(refusal(BertSample()),
              HasSubstr("tokenizer.ggml.model: \"bert\" is not written to a tokenizer.json; "
                        "\"gpt2\" and \"llama\" are"));
  EXPECT_THAT(refusal(T5Sample()), HasSubstr("\"t5\" is not written"));
  VocabBuilder some = LlamaSample();
  some.tokens[3] = "<0x01>";  // twice, and no <0x00>
  EXPECT_THAT(refusal(some), HasSubstr("has tokens for some bytes only"));
  VocabBuilder bytes = LlamaSample();
  bytes.Add("\xff");
  EXPECT_THAT(refusal(bytes), HasSubstr("is no UTF-8"));
}

TEST_F(GgufToHfTest, AFileWithoutVocabularyIsNoted) {
  GgufWriter writer;
  writer.SetString("tokenizer.ggml.model", "none");
  writer.SetUint32("tokenizer.ggml.eos_token_id", 2);
  const std::string path = folder_.Path("none.gguf");
  ASSERT_TRUE(writer.Write(path, nullptr).ok());
  const auto text = GgufToHf(*OpenOrDie(path));
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->tokenizer_json, "");
  EXPECT_EQ(text->end_ids, std::vector<int32_t>{2});
  ASSERT_EQ(text->notes.size(), 1u);
  EXPECT_THAT(text->notes[0], HasSubstr("the output takes token ids only"));
}

/// Vocabularies of published models, on the texts that they are tested with.
class PublishedVocabularyTest : public GgufToHfTest,
                                public testing::WithParamInterface<const char*> {};

TEST_P(PublishedVocabularyTest, GivesTheSameTokens) {
  const std::string base = std::string("vocab/vocab-") + GetParam();
  QUANTD_NEED_TEST_DATA(gguf, base + ".gguf");
  QUANTD_NEED_TEST_DATA(input, base + ".inp");
  std::vector<std::string> texts = DifficultTexts();
  texts.push_back(ReadFileOrDie(input));
  ExpectSame(*OpenOrDie(gguf), texts);
  if (std::string(GetParam()) != "deepseek-coder") {
    EXPECT_THAT(notes_, IsEmpty());
    return;
  }
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_THAT(notes_[0], HasSubstr("user-defined tokens such as"));
}

INSTANTIATE_TEST_SUITE_P(All, PublishedVocabularyTest,
                         testing::Values("llama-spm", "gpt-2", "deepseek-coder"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace quantd
