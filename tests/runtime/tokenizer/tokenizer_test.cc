#include "runtime/tokenizer/tokenizer.h"

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/tokenizer/utf8.h"
#include "tests/runtime/tokenizer/vocab_builder.h"

namespace quantd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

VocabBuilder SmallLlama() { return LlamaVocab({"▁", "a", "b", "ab"}); }
VocabBuilder SmallBpe() { return BpeVocab("gpt-2", {"a b", "ab c"}); }

struct MalformedCase {
  const char* name;
  VocabBuilder (*base)();
  std::function<void(VocabBuilder*)> damage;
  absl::StatusCode code;
  const char* key;  ///< what the message names
};

void SetType(VocabBuilder* vocab, size_t id, int32_t type) { (*vocab->types)[id] = type; }

const MalformedCase kMalformed[] = {
    {"NoTokens", SmallLlama, [](VocabBuilder* v) { v->tokens.clear(); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.tokens"},
    {"UnknownModel", SmallLlama, [](VocabBuilder* v) { v->model = "rwkv"; },
     absl::StatusCode::kUnimplemented, "known are llama, gpt2, bert, t5"},
    {"UnknownPre", SmallBpe, [](VocabBuilder* v) { v->pre = "gpt-3"; },
     absl::StatusCode::kUnimplemented, "llama-bpe"},
    {"BosPastTheEnd", SmallLlama,
     [](VocabBuilder* v) { v->more_keys.clear(), v->SetUint("bos_token_id", 263); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.bos_token_id"},
    {"EosPastTheEnd", SmallBpe, [](VocabBuilder* v) { v->SetUint("eos_token_id", 0xFFFFFFFF); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.eos_token_id"},
    {"EotPastTheEnd", SmallBpe, [](VocabBuilder* v) { v->SetUint("eot_token_id", 258); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.eot_token_id"},
    {"UnknownPastTheEnd", SmallLlama, [](VocabBuilder* v) { v->SetUint("unknown_token_id", 5000); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.unknown_token_id"},
    {"BosIsAString", SmallBpe,
     [](VocabBuilder* v) {
       v->more_keys.push_back(RawKey("tokenizer.ggml.bos_token_id", 8, RawString("1")));
     },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.bos_token_id"},
    {"AddBosIsANumber", SmallLlama, [](VocabBuilder* v) { v->SetUint("add_bos_token", 1); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.add_bos_token"},
    {"ScoresTooShort", SmallLlama, [](VocabBuilder* v) { v->scores->pop_back(); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.scores"},
    {"ScoresMissing", SmallLlama, [](VocabBuilder* v) { v->scores.reset(); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.scores"},
    {"ScoresAreStrings", SmallLlama,
     [](VocabBuilder* v) {
       v->scores.reset();
       v->more_keys.push_back(RawKey("tokenizer.ggml.scores", 9, RawArray(8, 1, RawString("-1"))));
     },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.scores"},
    {"ScoreIsNoNumber", SmallLlama, [](VocabBuilder* v) { v->scores->back() = std::nanf(""); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.scores"},
    {"TypesTooLong", SmallLlama, [](VocabBuilder* v) { v->types->push_back(1); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.token_type"},
    {"TypesMissing", SmallLlama, [](VocabBuilder* v) { v->types.reset(); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.token_type"},
    {"TypesAreFloats", SmallLlama,
     [](VocabBuilder* v) {
       v->types.reset();
       v->more_keys.push_back(RawKey("tokenizer.ggml.token_type", 9, RawArray(6, 1, Raw(1.0f))));
     },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.token_type"},
    {"TypeZero", SmallLlama, [](VocabBuilder* v) { SetType(v, 7, 0); }, absl::StatusCode::kDataLoss,
     "tokenizer.ggml.token_type"},
    {"TypeSeven", SmallBpe, [](VocabBuilder* v) { SetType(v, 7, 7); }, absl::StatusCode::kDataLoss,
     "tokenizer.ggml.token_type"},
    {"ByteTokenMinusOne", SmallLlama, [](VocabBuilder* v) { v->tokens[10] = "<0x-1>"; },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.tokens"},
    {"ByteTokenTooLong", SmallLlama, [](VocabBuilder* v) { v->tokens[10] = "<0x100>"; },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.tokens"},
    {"ByteTokenIsText", SmallBpe,
     [](VocabBuilder* v) { SetType(v, 'x', static_cast<int32_t>(TokenType::kByte)); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.tokens"},
    {"TokenTooLong", SmallLlama, [](VocabBuilder* v) { v->tokens[260] = std::string(1025, 'x'); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.tokens"},
    {"NoWayToEncode", SmallLlama,
     [](VocabBuilder* v) {
       SetType(v, 0, static_cast<int32_t>(TokenType::kNormal));
       SetType(v, 10, static_cast<int32_t>(TokenType::kNormal));
     },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.unknown_token_id"},
    {"MergesMissing", SmallBpe, [](VocabBuilder* v) { v->merges.reset(); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.merges"},
    {"MergesAreNumbers", SmallBpe,
     [](VocabBuilder* v) {
       v->merges.reset();
       v->more_keys.push_back(RawKey("tokenizer.ggml.merges", 9, RawArray(4, 1, Raw(1u))));
     },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.merges"},
    {"MergeOfAnUnknownPart", SmallBpe, [](VocabBuilder* v) { v->merges->push_back("zz q"); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.merges"},
    {"MergeIntoAnUnknownToken", SmallBpe, [](VocabBuilder* v) { v->merges->push_back("q r"); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.merges"},
    {"MergeOfOnePart", SmallBpe, [](VocabBuilder* v) { v->merges->push_back("ab"); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.merges"},
    {"MergeWithoutLeft", SmallBpe, [](VocabBuilder* v) { v->merges->push_back(" a"); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.merges"},
    {"MergeWithoutRight", SmallBpe, [](VocabBuilder* v) { v->merges->push_back("a "); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.merges"},
    {"EmptyMerge", SmallBpe, [](VocabBuilder* v) { v->merges->push_back(""); },
     absl::StatusCode::kDataLoss, "tokenizer.ggml.merges"},
};

class MalformedVocabTest : public testing::TestWithParam<MalformedCase> {};

TEST_P(MalformedVocabTest, IsRefusedByFileAndKey) {
  VocabBuilder vocab = GetParam().base();
  ASSERT_TRUE(vocab.Load().ok()) << vocab.Load().status();
  GetParam().damage(&vocab);
  const auto tokenizer = vocab.Load();
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_EQ(tokenizer.status().code(), GetParam().code) << tokenizer.status();
  EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr("vocab.gguf"));
  EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr(GetParam().key));
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, MalformedVocabTest, testing::ValuesIn(kMalformed),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(TokenizerTest, WithoutAModelKey) {
  const std::string bytes = GgufBuilder().Bytes();
  const auto file = GgufFile::Parse(
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()), "x.gguf");
  ASSERT_TRUE(file.ok()) << file.status();
  const auto tokenizer = Tokenizer::FromGguf(**file);
  EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr("tokenizer.ggml.model"));
}

TEST(TokenizerTest, EndIdsAreEosEotEomAndTheControlTokensThatEndTurns) {
  VocabBuilder vocab = SmallBpe();
  const int32_t eom = vocab.Add("<eom>", TokenType::kControl);
  const int32_t end = vocab.Add("<|im_end|>", TokenType::kControl);
  vocab.Add("<|eot_id|>", TokenType::kUserDefined);  // of another kind: not taken
  const int32_t turn = vocab.Add("<end_of_turn>", TokenType::kControl);
  vocab.SetUint("eos_token_id", static_cast<uint32_t>(end));
  vocab.SetUint("eom_token_id", static_cast<uint32_t>(eom));
  const auto tokenizer = vocab.Load();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT((*tokenizer)->end_ids(), ElementsAre(end, eom, turn));
  EXPECT_EQ((*tokenizer)->eos(), end);
  EXPECT_EQ((*tokenizer)->bos(), std::nullopt);
}

TEST(TokenizerTest, FilesWithoutTypesNameTheirControlTokens) {
  VocabBuilder vocab = SmallBpe();
  const int32_t end = vocab.Add("<|endoftext|>");
  vocab.types.reset();
  vocab.SetUint("eos_token_id", static_cast<uint32_t>(end));
  const auto tokenizer = vocab.Load();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->type(end), TokenType::kControl);
  EXPECT_THAT((*tokenizer)->Encode("<|endoftext|>", {.parse_control = true}), ElementsAre(end));
}

TEST(TokenizerTest, DefaultsComeFromTheFileBeforeTheModel) {
  VocabBuilder vocab = SmallLlama();
  vocab.SetBool("add_bos_token", false);
  vocab.SetBool("add_eos_token", true);
  const auto tokenizer = vocab.Load();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_FALSE((*tokenizer)->default_add_bos());
  EXPECT_TRUE((*tokenizer)->default_add_eos());
}

TEST(TokenizerTest, IdsOutsideTheVocabularyAreNoText) {
  const auto tokenizer = SmallBpe().Load();
  ASSERT_TRUE(tokenizer.ok());
  for (const int32_t id : {-1, 258, INT32_MIN, INT32_MAX}) {
    EXPECT_EQ((*tokenizer)->TokenBytes(id), "");
  }
  EXPECT_EQ((*tokenizer)->Decode({'a', -1, 9999, 'b'}), "ab");
}

TEST(TokenizerTest, PlainRangesHideControlTokensAndNothingElse) {
  VocabBuilder vocab = BpeVocab("gpt-2", {"a b", "ab c", "ab ab"});
  const int32_t ab = 256, abc = 257, abab = 258;
  const int32_t end = vocab.Add("<e>", TokenType::kControl);
  const int32_t tool = vocab.Add("<t>", TokenType::kUserDefined);
  const auto tokenizer = vocab.Load();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto encode = [&](absl::string_view text, const std::vector<TextRange>& plain) {
    return (*tokenizer)->Encode(text, {.parse_control = true, .plain = plain});
  };
  const std::string text = "ab<e>abc<t>";
  EXPECT_THAT(encode(text, {}), ElementsAre(ab, end, abc, tool));
  EXPECT_THAT(encode(text, {{0, 2}, {5, 11}}), ElementsAre(ab, end, abc, tool));
  EXPECT_THAT(encode(text, {{4, 5}}), ElementsAre(ab, '<', 'e', '>', abc, tool));
  EXPECT_THAT(encode("<e><e><e>", {{3, 6}}), ElementsAre(end, '<', 'e', '>', end));
  EXPECT_THAT(encode("abab", {{1, 3}}), ElementsAre(abab)) << "merges go across the ends";
  EXPECT_EQ(encode(text, {{0, 11}}), (*tokenizer)->Encode(text, {})) << "all plain: parsing is off";
}

TEST(DetokenizerTest, HoldsBackUnfinishedCharacters) {
  const auto tokenizer = SmallBpe().Load();
  ASSERT_TRUE(tokenizer.ok());
  IncrementalDetokenizer detokenizer(tokenizer->get(), true);
  EXPECT_EQ(detokenizer.Push('a'), "a");
  EXPECT_EQ(detokenizer.Push(0xF0), "");
  EXPECT_EQ(detokenizer.Push(0x9F), "");
  EXPECT_EQ(detokenizer.Push(0x9A), "");
  EXPECT_EQ(detokenizer.Push(0x80), "🚀");
  EXPECT_EQ(detokenizer.Push(0xE4), "");
  EXPECT_EQ(detokenizer.Push('b'),
            "\uFFFD"
            "b");
  EXPECT_EQ(detokenizer.Push(0xE4), "");
  EXPECT_EQ(detokenizer.Push(0xB8), "");
  EXPECT_EQ(detokenizer.Flush(), "\uFFFD");
  EXPECT_EQ(detokenizer.Flush(), "");
}

TEST(DetokenizerTest, DropsTheDummySpaceOfATextOnly) {
  VocabBuilder vocab = SmallLlama();
  const auto tokenizer = vocab.Load();
  ASSERT_TRUE(tokenizer.ok());
  IncrementalDetokenizer start(tokenizer->get(), true);
  EXPECT_EQ(start.Push(1), "");  // a control token is no text yet
  EXPECT_EQ(start.Push(259), "");
  EXPECT_EQ(start.Push(259), " ");
  EXPECT_EQ(start.Push(260), "a");
  IncrementalDetokenizer continuation(tokenizer->get(), false);
  EXPECT_EQ(continuation.Push(259), " ");
}

TEST(DetokenizerTest, PiecesMakeUpTheWholeForAnyIds) {
  std::vector<std::unique_ptr<Tokenizer>> tokenizers;
  for (const VocabBuilder& vocab : {SmallLlama(), SmallBpe()}) {
    auto tokenizer = vocab.Load();
    ASSERT_TRUE(tokenizer.ok());
    tokenizers.push_back(std::move(*tokenizer));
  }
  std::mt19937 random(11);
  for (int round = 0; round < 4000; ++round) {
    const Tokenizer& tokenizer = *tokenizers[round % 2];
    std::vector<int32_t> ids(random() % 40);
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % (tokenizer.vocab_size() + 2)) - 1;
    std::string bytes;
    for (const int32_t id : ids) bytes += tokenizer.TokenBytes(id);
    if (round % 2 == 0 && !bytes.empty() && bytes[0] == ' ') bytes.erase(0, 1);  // dummy space
    std::string whole;
    AppendUtf8(bytes, /*at_end=*/true, &whole);
    ASSERT_EQ(tokenizer.Decode(ids), whole);
    IncrementalDetokenizer detokenizer(&tokenizer, true);
    std::string joined;
    for (const int32_t id : ids) {
      const std::string piece = detokenizer.Push(id);
      ASSERT_TRUE(IsUtf8(piece));
      joined += piece;
    }
    joined += detokenizer.Flush();
    ASSERT_EQ(joined, whole);
  }
}

}  // namespace
}  // namespace quantd
