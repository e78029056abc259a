#include "gmock/gmock.h"
#include "tests/server/cli/cli_runner.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Tokenize, RoundTripsAnyText) {
  const std::string model = DemoModel("f16");
  for (const std::string text :
       {"", "a", "ROMEO:\nWhat, ho!\n", " leading and trailing ", "\n\n\n",
        "caf\xC3\xA9 \xE2\x82\xAC", "\xF0\x9F\x99\x82 and a tab\t.", "</s> is plain text"}) {
    const CliResult ids = RunQuantd({"tokenize", model, "--json"}, text);
    ASSERT_EQ(ids.code, 0) << ids.err;
    ASSERT_TRUE(ids.Json().is_array());
    EXPECT_EQ(RunQuantd({"tokenize", model, "--decode"}, ids.out).out, text);
    EXPECT_EQ(RunQuantd({"tokenize", model, "--decode", "--json"}, ids.out).Json(), text);
  }
}

TEST(Tokenize, TakesTheWholeInputWithItsLastNewline) {
  const std::string model = DemoModel("f16");
  const json without = RunQuantd({"tokenize", model, "--json"}, "to be").Json();
  const json with = RunQuantd({"tokenize", model, "--json"}, "to be\n").Json();
  EXPECT_EQ(with.size(), without.size() + 1);
}

TEST(Tokenize, AddsBosOnlyWhenAsked) {
  const std::string model = DemoModel("f16");
  json ids = RunQuantd({"tokenize", model, "--json"}, "to be").Json();
  const json with_bos = RunQuantd({"tokenize", model, "--json", "--bos"}, "to be").Json();
  ids.insert(ids.begin(), 1);  // the model's tokenizer.ggml.bos_token_id
  EXPECT_EQ(with_bos, ids);
}

TEST(Tokenize, ReadsControlTokensOnlyWhenAsked) {
  const std::string model = DemoModel("f16");
  EXPECT_EQ(RunQuantd({"tokenize", model, "--json", "--special"}, "</s>").Json(), json({2}));
  EXPECT_GT(RunQuantd({"tokenize", model, "--json"}, "</s>").Json().size(), 1u);
}

TEST(Tokenize, ListsIdsWithTheirPieces) {
  const std::string model = DemoModel("f16");
  const CliResult text = RunQuantd({"tokenize", model, "--bos"}, "to\n");
  const json ids = RunQuantd({"tokenize", model, "--bos", "--json"}, "to\n").Json();
  size_t lines = 0;
  for (const char c : text.out) lines += c == '\n';
  EXPECT_EQ(lines, ids.size());
  EXPECT_THAT(text.out, testing::StartsWith("1\t(BOS)\n"));
  EXPECT_THAT(text.out, testing::EndsWith("\t\"\\n\"\n"));  // a newline is shown, not obeyed
}

TEST(Tokenize, ReadsTokenizersOfHuggingFaceAndSentencePiece) {
  for (const char* name :
       {"llama2.json", "sentencepiece-bpe", "sentencepiece-bpe/tokenizer.model"}) {
    const std::string path = SourcePath("tests/golden/tokenizers/") + name;
    const std::string text = "The server reads a model.";
    const CliResult ids = RunQuantd({"tokenize", path, "--json"}, text);
    ASSERT_EQ(ids.code, 0) << ids.err;
    EXPECT_LT(ids.Json().size(), text.size());
    EXPECT_EQ(RunQuantd({"tokenize", path, "--decode"}, ids.out).out, text);
  }
  const CliResult none = RunQuantd({"tokenize", SourcePath("tests/golden")}, "a");
  EXPECT_NE(none.code, 0);
  EXPECT_THAT(none.err, HasSubstr("holds neither tokenizer.json nor tokenizer.model"));
}

TEST(Tokenize, DecodeRefusesWhatIsNoId) {
  for (const char* input : {"1 2 x", "2048", "-1", "99999999999999999999"}) {
    const CliResult result = RunQuantd({"tokenize", DemoModel("f16"), "--decode"}, input);
    EXPECT_EQ(result.code, 2) << input;
    EXPECT_THAT(result.err, HasSubstr("0 to 2047"));
  }
}

TEST(Tokenize, WorksOnAVocabularyWithoutWeights) {
  QUANTD_NEED_TEST_DATA(vocabulary, "vocab/vocab-gpt-2.gguf");
  EXPECT_EQ(RunQuantd({"tokenize", vocabulary, "--json"}, "Hello world").Json(),
            json({15496, 995}));  // as in OpenAI's own examples of GPT-2's encoder
}

}  // namespace
}  // namespace quantd
