#include <functional>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/tokenizer/hf_builder.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct MalformedCase {
  const char* name;
  std::function<void(HfBuilder*)> spoil;
  const char* message;  ///< what the error says behind "tokenizer.json: "
  absl::StatusCode code = absl::StatusCode::kDataLoss;
};

MalformedCase Model(const char* name, const char* key, const char* value, const char* message) {
  return {name, [=](HfBuilder* file) { file->model[key] = value; }, message};
}
MalformedCase Member(const char* name, const char* key, const char* value, const char* message,
                     absl::StatusCode code = absl::StatusCode::kDataLoss) {
  return {name, [=](HfBuilder* file) { file->members[key] = value; }, message, code};
}
std::string CaseName(const testing::TestParamInfo<MalformedCase>& info) { return info.param.name; }

constexpr absl::StatusCode kUnimplemented = absl::StatusCode::kUnimplemented;

class HfMalformedFile : public testing::TestWithParam<MalformedCase> {};

TEST_P(HfMalformedFile, IsANamedError) {
  HfBuilder file;
  ASSERT_TRUE(file.Load().ok()) << file.Load().status();
  GetParam().spoil(&file);
  const auto tokenizer = file.Load();
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_EQ(tokenizer.status().code(), GetParam().code) << tokenizer.status();
  EXPECT_THAT(std::string(tokenizer.status().message()), StartsWith("tokenizer.json: "));
  EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Vocabulary, HfMalformedFile,
    testing::Values(
        Model("NoVocabulary", "vocab", "null", "model.vocab: the vocabulary is empty"),
        Model("EmptyVocabulary", "vocab", "{}", "model.vocab: the vocabulary is empty"),
        Model("VocabularyIsNumber", "vocab", "3", "model.vocab: expected an object or an array"),
        Model("IdMissing", "vocab", R"({"?": 0, "a": null})", "model.vocab.a: expected an id"),
        Model("IdNegative", "vocab", R"({"?": 0, "a": -1})", "model.vocab.a: expected an id"),
        Model("IdFloat", "vocab", R"({"?": 0, "a": 1.5})", "model.vocab.a: expected an id"),
        Model("IdTooLarge", "vocab", R"({"?": 0, "a": 2147483648})",
              "model.vocab.a: id 2147483648; ids take 31 bits"),
        Model("IdFarBeyond", "vocab", R"({"?": 0, "a": 2147483647})",
              "model.vocab.a: id 2147483647 in a vocabulary of 2 tokens"),
        Model("IdTwice", "vocab", R"({"?": 0, "a": 1, "b": 1})",
              "model.vocab.b: has id 1, as 'a' does"),
        Model("TextTwice", "vocab", R"({"?": 0, "a": 1, "a": 2})",
              "model.vocab.a: the key occurs twice"),
        Model("LoneSurrogate", "vocab", R"({"?": 0, "\ud800": 1})", "not valid JSON")),
    CaseName);

INSTANTIATE_TEST_SUITE_P(
    Merges, HfMalformedFile,
    testing::Values(
        Model("MergesMissing", "merges", "null", "model.merges: the key is missing"),
        Model("MergesObject", "merges", "{}", "model.merges: expected an array, found an object"),
        Model("MergeWithoutSpace", "merges", R"(["a b", "cd"])",
              "model.merges[1]: is not two parts and a space"),
        Model("MergeOfThree", "merges", R"([["a", "b", "c"]])",
              "model.merges[0]: is not two strings"),
        Model("MergeOfOne", "merges", R"([["a"]])", "model.merges[0]: is not two strings"),
        Model("MergeOfNumbers", "merges", R"([["a", 1]])", "model.merges[0]: is not two strings"),
        Model("MergePartAbsent", "merges", R"(["a z"])", "model.merges[0]: names a part"),
        Model("MergeLongerThanAnyToken", "merges", R"(["a b", "abcd abcd"])",
              "model.merges[1]: names a part, or makes a token"),
        Model("UnknownTokenAbsent", "unk_token", R"("<none>")",
              "model.unk_token: '<none>' is no token of the vocabulary"),
        Model("UnknownTokenIsNumber", "unk_token", "7", "model.unk_token: expected a string"),
        MalformedCase{"BytesMissing",
                      [](HfBuilder* file) {
                        file->model["byte_fallback"] = "true";
                        file->model["vocab"] = R"({"?": 0, "a": 1, "<0x00>": 2})";
                        file->model["merges"] = "[]";
                      },
                      "model.byte_fallback: there is no token <0x01>"},
        MalformedCase{"BytesMissingAndNoUnknown",
                      [](HfBuilder* file) {
                        file->model["byte_fallback"] = "true";
                        file->model.erase("unk_token");
                      },
                      "model.byte_fallback: there is no token <0x00>"},
        MalformedCase{"NoModel", [](HfBuilder* file) { file->model.clear(); }, "model"},
        MalformedCase{"UnknownModel", [](HfBuilder* file) { file->model["type"] = R"("Magic")"; },
                      "model.type: 'Magic' is not known; known are BPE, Unigram, WordLevel, "
                      "WordPiece",
                      kUnimplemented}),
    CaseName);

INSTANTIATE_TEST_SUITE_P(
    Scores, HfMalformedFile,
    testing::Values(
        MalformedCase{"UnigramWithoutScores",
                      [](HfBuilder* file) { file->model["type"] = R"("Unigram")"; },
                      "model.vocab: is no list of tokens with scores"},
        MalformedCase{"ScoreMissing",
                      [](HfBuilder* file) { file->model["vocab"] = R"([["a", 1], ["b"]])"; },
                      "model.vocab[1]: expected a score"},
        MalformedCase{"ScoreOfThree",
                      [](HfBuilder* file) { file->model["vocab"] = R"([["a", 1, 2]])"; },
                      "model.vocab[0]: has more than a text and a score"},
        MalformedCase{"ScoreBeyondDouble",
                      [](HfBuilder* file) { file->model["vocab"] = R"([["a", 1e999]])"; },
                      "model.vocab[0]: a number beyond the range of double"},
        MalformedCase{"UnknownIdBeyond",
                      [](HfBuilder* file) {
                        file->model = {
                            {"type", R"("Unigram")"}, {"vocab", R"([["a", -1]])"}, {"unk_id", "1"}};
                      },
                      "model.unk_id: 1 is outside of [0, 0]"}),
    CaseName);

INSTANTIATE_TEST_SUITE_P(
    AddedTokens, HfMalformedFile,
    testing::Values(Member("Empty", "added_tokens", R"([{"id": 9, "content": ""}])",
                           "added_tokens[0].content: has 0 bytes"),
                    Member("IdOfAnother", "added_tokens", R"([{"id": 1, "content": "<s>"}])",
                           "added_tokens[0]: has id 1, as 'a' does"),
                    Member("OtherIdThanInTheModel", "added_tokens",
                           R"([{"id": 9, "content": "ab"}])",
                           "added_tokens[0]: has id 9, but 5 in model.vocab"),
                    Member("Twice", "added_tokens",
                           R"([{"id": 9, "content": "x"}, {"id": 10, "content": "x"}])",
                           "added_tokens[1]: 'x' occurs twice"),
                    Member("NoContent", "added_tokens", R"([{"id": 9}])",
                           "added_tokens[0].content: the key is missing"),
                    Member("NoId", "added_tokens", R"([{"content": "x"}])",
                           "added_tokens[0].id: the key is missing"),
                    Member("NegativeId", "added_tokens", R"([{"id": -1, "content": "x"}])",
                           "added_tokens[0].id: -1 is outside"),
                    Member("LargeId", "added_tokens", R"([{"id": 2147483648, "content": "x"}])",
                           "added_tokens[0].id: 2147483648 is outside"),
                    Member("FarId", "added_tokens", R"([{"id": 2147483647, "content": "x"}])",
                           "added_tokens[0]: id 2147483647 in a vocabulary of 8 tokens"),
                    Member("FlagIsNumber", "added_tokens",
                           R"([{"id": 9, "content": "x", "lstrip": 1}])",
                           "added_tokens[0].lstrip: expected a bool")),
    CaseName);

INSTANTIATE_TEST_SUITE_P(
    Parts, HfMalformedFile,
    testing::Values(
        Member("Normalizer", "normalizer", R"({"type": "Magic"})",
               "normalizer.type: 'Magic' is not known; known are BertNormalizer", kUnimplemented),
        Member("NormalizerInSequence", "normalizer",
               R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "?"}]})",
               "normalizer.normalizers[1].type: '?' is not known", kUnimplemented),
        Member("NormalizerWithoutType", "normalizer", "{}", "normalizer.type: the key is missing"),
        Member("NormalizerIsNumber", "normalizer", "1", "normalizer: expected an object"),
        Member("Base64", "normalizer", R"({"type": "Precompiled", "precompiled_charsmap": "%"})",
               "normalizer.precompiled_charsmap: is no base64"),
        Member("Charsmap", "normalizer",
               R"({"type": "Precompiled", "precompiled_charsmap": "AA=="})",
               "normalizer.precompiled_charsmap: 1 bytes; at least 4 are needed"),
        Member("Growth", "normalizer",
               R"({"type": "Sequence", "normalizers": [
                   {"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaaaaaaaaaaaa"},
                   {"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaaaaaaaaaaaa"},
                   {"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaaaaaaaaaaaa"}
               ]})",
               "could make a text 8000 times longer"),
        Member("InvalidRegex", "pre_tokenizer",
               R"({"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"})",
               "pre_tokenizer.pattern.Regex: no valid pattern"),
        Member("NoPattern", "pre_tokenizer",
               R"({"type": "Split", "pattern": {}, "behavior": "Isolated"})",
               "pre_tokenizer.pattern.Regex: the key is missing"),
        Member("Behavior", "pre_tokenizer",
               R"({"type": "Split", "pattern": {"String": "a"}, "behavior": "Magic"})",
               "pre_tokenizer.behavior: 'Magic' is not known", kUnimplemented),
        Member("Scripts", "pre_tokenizer", R"({"type": "UnicodeScripts"})",
               "pre_tokenizer.type: 'UnicodeScripts' is not known", kUnimplemented),
        Member("Replacement", "pre_tokenizer", R"({"type": "Metaspace", "replacement": "ab"})",
               "pre_tokenizer.replacement: is not one character"),
        Member("Scheme", "pre_tokenizer",
               R"({"type": "Metaspace", "replacement": "_", "prepend_scheme": "often"})",
               "pre_tokenizer.prepend_scheme: 'often' is not known", kUnimplemented),
        Member("Decoder", "decoder", R"({"type": "CTC"})", "decoder.type: 'CTC' is not known",
               kUnimplemented),
        Member("DecoderStripsTheEnd", "decoder",
               R"({"type": "Sequence", "decoders": [{"type": "Fuse"},
                   {"type": "Strip", "content": " ", "start": 0, "stop": 1}]})",
               "decoder.decoders[1]: strips more", kUnimplemented),
        Member("DecoderGrows", "decoder",
               R"({"type": "Sequence", "decoders": [
                   {"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaaaaaaaaaaaaaaaaa"},
                   {"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaaaaaaaaaaaaaaaaa"},
                   {"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaaaaaaaaaaaaaaaaa"}
               ]})",
               "decoder: makes more than 8192 bytes of token 1"),
        Member("PostProcessor", "post_processor", R"({"type": "Magic"})",
               "post_processor.type: 'Magic' is not known", kUnimplemented),
        Member("TemplateToken", "post_processor",
               R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<x>"}},
                   {"Sequence": {"id": "A"}}], "special_tokens": {}})",
               "'<x>' is not in the template's special_tokens"),
        Member("TemplateId", "post_processor",
               R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}},
                   {"Sequence": {"id": "A"}}],
                   "special_tokens": {"<s>": {"id": "<s>", "ids": [9], "tokens": ["<s>"]}}})",
               "post_processor.special_tokens.<s>.ids[0]: 9 is outside of [0, 8]"),
        Member("TemplateOfTwo", "post_processor",
               R"({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}},
                   {"Sequence": {"id": "A"}}], "special_tokens": {}})",
               "post_processor.single: holds the text 2 times", kUnimplemented)),
    CaseName);

TEST(HfMalformedTest, DeepNesting) {
  const std::string deep(100'000, '[');
  HfBuilder file;
  file.members["normalizer"] = deep;
  EXPECT_THAT(std::string(file.Load().status().message()), HasSubstr("nested deeper than"));
  file = HfBuilder();
  file.model["vocab"] = deep;
  EXPECT_THAT(std::string(file.Load().status().message()), HasSubstr("model.vocab"));
}

TEST(HfMalformedTest, LongToken) {
  HfBuilder file;
  file.model["vocab"] = absl::StrCat("{\"?\": 0, \"", std::string(2000, 'a'), "\": 1}");
  file.model["merges"] = "[]";
  EXPECT_THAT(std::string(file.Load().status().message()), HasSubstr("has 2000 bytes"));
}

TEST(HfMalformedTest, ManyParts) {
  std::string parts = R"({"type": "NFC"})";
  for (int i = 0; i < 64; ++i) parts += R"(, {"type": "Strip"})";
  HfBuilder file;
  file.members["normalizer"] =
      absl::StrCat(R"({"type": "Sequence", "normalizers": [)", parts, "]}");
  EXPECT_THAT(std::string(file.Load().status().message()), HasSubstr("more than 64 parts"));
}

// A pattern that backtracks for ever, on a text for which it does.
TEST(HfMalformedTest, CatastrophicRegexIsBounded) {
  HfBuilder file;
  file.members["pre_tokenizer"] =
      R"({"type": "Split", "pattern": {"Regex": "(a+)+$|(a|aa)+b"}, "behavior": "Isolated"})";
  const auto tokenizer = file.Load();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->Encode(std::string(100'000, 'a') + "c", {}).size(), 100'001u);
}

TEST(HfMalformedTest, UnknownIdsDecodeToNothing) {
  const auto tokenizer = HfBuilder().Load();
  ASSERT_TRUE(tokenizer.ok());
  const int32_t ids[] = {-1, 5, 9, 2147483647, 6};
  EXPECT_EQ((*tokenizer)->Decode(ids), "abcd");
}

TEST(HfMalformedTest, ConfigNamesTokensOfTheVocabulary) {
  HfTokenizerConfig config;
  config.path = "tokenizer_config.json";
  config.eos = "</s>";
  EXPECT_EQ(HfBuilder().Load(config).status().message(),
            "tokenizer_config.json: eos_token: '</s>' is no token of the vocabulary");
}

}  // namespace
}  // namespace quantd
