#include "runtime/tokenizer/gguf_vocabulary.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "runtime/tokenizer/unicode_normalization.h"
#include "runtime/tokenizer/utf8.h"
#include "tests/runtime/tokenizer/golden_tokenizers.h"
#include "tests/runtime/tokenizer/same_tokens.h"
#include "tests/runtime/tokenizer/sentencepiece_builder.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

json GoldenJson(const std::string& name) {
  return json::parse(ReadFileOrDie(absl::StrCat(GoldenTokenizers(), "/", name)));
}

std::vector<std::string> GoldenTexts() {
  std::vector<std::string> texts;
  for (const json& entry : GoldenJson("texts.json")) {
    texts.push_back(entry.contains("hex") ? absl::HexStringToBytes(entry["hex"].get<std::string>())
                                          : entry["text"].get<std::string>());
  }
  return texts;
}

bool IsNfc(std::string text) {
  const std::string before = text;
  if (IsUtf8(text)) NormalizeUnicode(NormalForm::kNfc, &text);
  return text == before;
}

class GgufVocabularyTest : public testing::Test {
 protected:
  /// The tokenizer that a GGUF file with this vocabulary has, of a model with `more` ids.
  std::unique_ptr<Tokenizer> ThroughGguf(const GgufVocabulary& vocabulary, int32_t more = 0) {
    GgufWriter writer;
    WriteGgufVocabulary(vocabulary, static_cast<int32_t>(vocabulary.texts.size()) + more, &writer);
    const std::string path = folder_.Path("vocabulary.gguf");
    EXPECT_TRUE(writer.Write(path, nullptr).ok());
    auto tokenizer = Tokenizer::Open(path);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
  }

  /// Compares the tokenizer at `path` with what becomes of it in GGUF, on the golden texts but for
  /// those that `differs` names. Gives the notes.
  std::vector<std::string> ExpectSameTokens(const std::string& path,
                                            bool (*differs)(const std::string& text)) {
    const auto original = Tokenizer::Open(path);
    EXPECT_TRUE(original.ok()) << original.status();
    const auto vocabulary = ReadGgufVocabulary(path);
    EXPECT_TRUE(vocabulary.ok()) << vocabulary.status();
    if (!original.ok() || !vocabulary.ok()) return {};
    const std::unique_ptr<Tokenizer> written = ThroughGguf(*vocabulary, 3);
    EXPECT_EQ(written->vocab_size(), (*original)->vocab_size() + 3);
    EXPECT_EQ(written->type(written->vocab_size() - 1), TokenType::kUnused);
    EXPECT_EQ(written->bos(), (*original)->bos());
    EXPECT_EQ(written->eos(), (*original)->eos());
    EXPECT_EQ(written->end_ids(), (*original)->end_ids());
    EXPECT_EQ(written->default_add_bos(), (*original)->default_add_bos());
    EXPECT_EQ(written->default_add_eos(), (*original)->default_add_eos());
    for (int32_t id = 0; id < (*original)->vocab_size(); ++id) {
      EXPECT_EQ(written->type(id), (*original)->type(id)) << id;
    }
    for (const std::string& text : GoldenTexts()) {
      if (differs(text)) continue;
      ExpectSameTokensOf(text, *written, **original, /*decodes=*/true);
    }
    return vocabulary->notes;
  }

  /// A golden tokenizer.json changed, as a file.
  std::string Changed(const std::string& name, const std::function<void(json*)>& change) {
    json file = GoldenJson(name + ".json");
    change(&file);
    return folder_.Write("tokenizer.json", file.dump());
  }
  std::string Refusal(const std::string& name, const std::function<void(json*)>& change) {
    const absl::Status status = ReadGgufVocabulary(Changed(name, change)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    return std::string(status.message());
  }

  TemporaryFolder folder_;
};

bool None(const std::string&) { return false; }
bool NotNfc(const std::string& text) { return !IsNfc(text); }
/// Readers of GGUF take it for text.
bool NamesUnknown(const std::string& text) { return absl::StrContains(text, "<unk>"); }

TEST_F(GgufVocabularyTest, ByteLevelMergesGiveTheSameTokens) {
  for (const char* name : {"gpt2", "llama3", "deepseek", "starcoder", "o200k"}) {
    SCOPED_TRACE(name);
    EXPECT_THAT(ExpectSameTokens(GoldenTokenizerPath(name), None), IsEmpty());
  }
}

TEST_F(GgufVocabularyTest, WhatNfcChangesIsNoted) {
  for (const char* name : {"qwen2", "neox"}) {
    SCOPED_TRACE(name);
    const std::vector<std::string> notes = ExpectSameTokens(GoldenTokenizerPath(name), NotNfc);
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_THAT(notes[0], HasSubstr("normalizer: NFC has no key in GGUF"));
  }
}

TEST_F(GgufVocabularyTest, SentencePieceFilesGiveTheSameTokens) {
  const std::string unigram = GoldenTokenizerPath("sentencepiece-unigram") + "/tokenizer.model";
  EXPECT_THAT(ExpectSameTokens(unigram, None), IsEmpty());
  for (const uint64_t type : {1, 2}) {
    SCOPED_TRACE(type);
    const std::string path = folder_.Write("some.model", SentencePieceModel(type));
    EXPECT_THAT(ExpectSameTokens(path, None), IsEmpty());
    EXPECT_EQ(ReadGgufVocabulary(path)->model, type == 1 ? "t5" : "llama");
  }
  // One that changes texts.
  const std::string merges = GoldenTokenizerPath("sentencepiece-bpe") + "/tokenizer.model";
  const absl::Status status = ReadGgufVocabulary(merges).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()), HasSubstr("normalizer_spec: changes texts"));
}

TEST_F(GgufVocabularyTest, PreTokenizersAreNamed) {
  const std::map<std::string, std::string> names = {
      {"gpt2", "gpt-2"},  {"llama3", "llama-bpe"},    {"deepseek", "deepseek-coder"},
      {"qwen2", "qwen2"}, {"starcoder", "starcoder"}, {"o200k", "gpt-4o"}};
  for (const auto& [name, pre] : names) {
    EXPECT_EQ(ReadGgufVocabulary(GoldenTokenizerPath(name))->pre, pre);
  }
  // cl100k's pattern, as Phi-4 has it, cuts as Llama 3's does.
  const std::string path = Changed("llama3", [](json* file) {
    (*file)["model"]["ignore_merges"] = false;
    (*file)["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] =
        R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|)"
        R"(\s*[\r\n]|\s+(?!\S)|\s+)";
  });
  EXPECT_EQ(ReadGgufVocabulary(path)->pre, "dbrx");
  EXPECT_THAT(ExpectSameTokens(path, None), IsEmpty());
}

/// Gives a tokenizer all merges that its vocabulary allows, in the order of what they make, as
/// those have that were converted from SentencePiece.
void CompleteMerges(json* file) {
  json& model = (*file)["model"];
  std::set<std::string> special;
  for (const json& added : (*file)["added_tokens"]) {
    special.insert(added["content"].get<std::string>());
  }
  std::vector<std::string> results;
  for (const json& merge : model["merges"]) {
    results.push_back(merge[0].get<std::string>() + merge[1].get<std::string>());
  }
  json merges = json::array();
  for (const std::string& result : results) {
    for (size_t cut = NextUtf8(result).length; cut < result.size();
         cut += NextUtf8(result.substr(cut)).length) {
      const std::string left = result.substr(0, cut), right = result.substr(cut);
      if (model["vocab"].contains(left) && model["vocab"].contains(right)) {
        merges.push_back({left, right});
      }
    }
  }
  model["merges"] = merges;
}

TEST_F(GgufVocabularyTest, MergesOfCharactersBecomeScores) {
  for (const char* name : {"llama2", "gemma"}) {
    SCOPED_TRACE(name);
    EXPECT_THAT(ExpectSameTokens(Changed(name, CompleteMerges), NamesUnknown), IsEmpty());
  }
  const std::vector<std::string> notes =
      ExpectSameTokens(Changed("mistral", CompleteMerges), [](const std::string& text) {
        return NamesUnknown(text) || absl::StartsWith(text, " ") ||
               absl::StartsWith(text, "\xE2\x96\x81") || absl::StrContains(text, "<|");
      });
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_THAT(notes[0], HasSubstr("a text that begins with one"));
  EXPECT_THAT(notes[1], HasSubstr("prepend_scheme \"first\""));
}

/// As converters from SentencePiece leave out the merges of the token with score 0.
TEST_F(GgufVocabularyTest, TheBestTokenMayHaveNoMerges) {
  std::string best;
  const std::string path = Changed("llama2", [&](json* file) {
    CompleteMerges(file);
    json& merges = (*file)["model"]["merges"];
    best = merges[0][0].get<std::string>() + merges[0][1].get<std::string>();
    merges.erase(0);
  });
  const auto vocabulary = ReadGgufVocabulary(path);
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  ASSERT_EQ(vocabulary->notes.size(), 1u);
  EXPECT_THAT(vocabulary->notes[0], HasSubstr("model.merges: none makes '"));
  // The same as with them.
  const auto complete = ReadGgufVocabulary(Changed("llama2", CompleteMerges));
  const std::unique_ptr<Tokenizer> wanted = ThroughGguf(*complete), got = ThroughGguf(*vocabulary);
  for (const std::string& text : GoldenTexts()) {
    EXPECT_EQ(got->Encode(text, {}), wanted->Encode(text, {}));
  }
  const size_t id =
      static_cast<size_t>(std::find(vocabulary->texts.begin(), vocabulary->texts.end(), best) -
                          vocabulary->texts.begin());
  EXPECT_EQ(vocabulary->scores[id], 0);
}

TEST_F(GgufVocabularyTest, MergesThatAreNoScoresAreRefused) {
  EXPECT_THAT(Refusal("llama2", [](json*) {}), HasSubstr("model.merges: does not make '"));
  EXPECT_THAT(Refusal("llama2",
                      [](json* file) {
                        CompleteMerges(file);
                        json& merges = (*file)["model"]["merges"];
                        std::map<std::string, int> seen;
                        for (size_t i = 0; i < merges.size(); ++i) {
                          const std::string made =
                              merges[i][0].get<std::string>() + merges[i][1].get<std::string>();
                          if (++seen[made] < 2) continue;
                          const json moved = merges[i];
                          merges.erase(i);
                          merges.push_back(moved);
                          break;
                        }
                      }),
              HasSubstr("comes apart from others that make the same token"));
}

TEST_F(GgufVocabularyTest, AModelFileBesideServesWhereTheJsonCannot) {
  const std::string model = folder_.Write("tokenizer.model", SentencePieceModel(2));
  Changed("llama2", [](json*) {});
  const auto vocabulary = ReadGgufVocabulary(folder_.path());
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_EQ(vocabulary->texts, ReadGgufVocabulary(model)->texts);
}

TEST_F(GgufVocabularyTest, WhatGgufLacksIsRefusedByName) {
  const std::map<std::string, std::string> refusals = {
      {"albert", "\"Unigram\" is not written to GGUF"},
      {"bert-cased", "\"WordPiece\" is not written to GGUF"},
      {"words", "\"WordLevel\" is not written to GGUF"},
      {"clip", "end_of_word_suffix has no counterpart"},
      {"falcon", "\"Punctuation\" has no counterpart"},
      {"roberta", "add_prefix_space true has no counterpart"},
  };
  for (const auto& [name, message] : refusals) {
    EXPECT_THAT(Refusal(name, [](json*) {}), HasSubstr(message)) << name;
  }
  EXPECT_THAT(Refusal("qwen2", [](json* file) { (*file)["model"]["ignore_merges"] = true; }),
              HasSubstr("ignore_merges true, but GGUF's \"qwen2\""));
  EXPECT_THAT(Refusal("llama3",
                      [](json* file) {
                        (*file)["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] =
                            "[aeiou]+";
                      }),
              HasSubstr("cuts texts by patterns that GGUF has no name for: [aeiou]+"));
  EXPECT_THAT(Refusal("gpt2",
                      [](json* file) {
                        (*file)["normalizer"] = {{"type", "Lowercase"}};
                      }),
              HasSubstr("normalizer: \"Lowercase\" has no counterpart"));
}

TEST_F(GgufVocabularyTest, SpecialTokensKeepTheirMeaning) {
  Changed("gpt2", [](json* file) {
    for (const char* text : {"<|turn|>", "<pad>"}) {
      const size_t id = (*file)["model"]["vocab"].size() + (*file)["added_tokens"].size();
      (*file)["added_tokens"].push_back({{"id", id}, {"content", text}, {"special", true}});
    }
    (*file)["added_tokens"].back()["rstrip"] = true;
  });
  folder_.Write("tokenizer_config.json",
                R"({"bos_token": "<|begin|>", "eos_token": "<|end|>", "pad_token": "<pad>",
             "add_bos_token": true})");
  folder_.Write("generation_config.json", R"({"eos_token_id": [601, 602]})");
  const auto vocabulary = ReadGgufVocabulary(folder_.path());
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  ASSERT_EQ(vocabulary->notes.size(), 1u);
  EXPECT_THAT(vocabulary->notes[0], HasSubstr("lstrip, rstrip and single_word"));
  EXPECT_EQ(vocabulary->padding, 603);
  const auto original = Tokenizer::FromDirectory(folder_.path());
  ASSERT_TRUE(original.ok()) << original.status();
  const std::unique_ptr<Tokenizer> written = ThroughGguf(*vocabulary);
  EXPECT_EQ(written->bos(), 600);
  EXPECT_EQ(written->end_ids(), (*original)->end_ids());
  EXPECT_THAT(written->end_ids(), testing::Contains(602));
  EXPECT_TRUE(written->default_add_bos());
}

}  // namespace
}  // namespace quantd
