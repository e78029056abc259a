#include <algorithm>
#include <fstream>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "kernels/base/quant_format.h"
#include "tests/server/cli/cli_runner.h"
#include "tests/support/sanitizers.h"

namespace quantd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

/// A file with `content` that lives as long as this.
class TextFile {
 public:
  explicit TextFile(const std::string& content) : path_(TempPath("text.txt")) {
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TextFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

const char kEnglish[] =
    "BRUTUS:\nI do believe that these applauses are\nFor some new honours that are heap'd on "
    "Caesar.\n\nCASSIUS:\nWhy, man, he doth bestride the narrow world\nLike a Colossus, and we "
    "petty men\nWalk under his huge legs and peep about\nTo find ourselves dishonourable graves.\n";

json Evaluate(const std::string& text) {
  const TextFile file(text);
  const CliResult result =
      RunQuantd({"eval", DemoModel("Q8_0"), "--text", file.path(), "--chunk", "32", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  return result.Json();
}

TEST(Eval, TellsSenseFromNonsense) {
  std::string reversed(kEnglish);
  std::reverse(reversed.begin(), reversed.end());
  const json sense = Evaluate(kEnglish), nonsense = Evaluate(reversed);
  for (const char* key : {"model", "format", "perplexity", "standard_error", "chunk", "chunks",
                          "tokens_scored", "kv_type", "seconds"}) {
    EXPECT_TRUE(sense.contains(key)) << key;
  }
  EXPECT_GT(sense["perplexity"].get<double>(), 1);
  EXPECT_GT(nonsense["perplexity"].get<double>(), 2 * sense["perplexity"].get<double>());
  EXPECT_GE(sense["chunks"].get<int>(), 2);
}

TEST(Eval, QuantizesTheModelFirstWhenAsked) {
  const TextFile file(kEnglish);
  double last = -1;
  for (const char* format : {"F16", "int8", "NF4", "Q2_K"}) {
    const CliResult result =
        RunQuantd({"eval", DemoModel("f16"), "--as", format, "--text", file.path(), "--against",
                   DemoModel("f16"), "--chunk", "32", "--json"});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.Json()["format"], FindFormat(format)->name);
    const json against = result.Json()["against"];
    EXPECT_GT(against["kl_mean"].get<double>(), last) << format;
    EXPECT_LE(against["top1_agreement"].get<double>(), 1) << format;
    last = against["kl_mean"].get<double>();
  }
  EXPECT_LT(last, 1);
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"eval", DemoModel("f16"), "--as", "Q9", "--text", file.path()}, "--as: "},
      {{"eval", DemoModel("Q4_0"), "--as", "NF4", "--text", file.path()}, "is quantized already"}};
  for (const auto& [args, message] : cases) {
    const CliResult result = RunQuantd(args);
    EXPECT_NE(result.code, 0) << message;
    EXPECT_THAT(result.err, HasSubstr(message));
  }
}

TEST(Eval, FailsAboveTheLimit) {
  const TextFile file(kEnglish);
  const std::vector<std::string> args = {
      "eval", DemoModel("Q8_0"), "--text", file.path(), "--chunk", "32", "--max-perplexity"};
  std::vector<std::string> strict = args, lax = args;
  strict.push_back("1.5");
  lax.push_back("1000000");
  const CliResult failed = RunQuantd(strict);
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.out, HasSubstr("perplexity "));
  EXPECT_THAT(failed.err, HasSubstr("above --max-perplexity 1.5"));
  EXPECT_EQ(RunQuantd(lax).code, 0);
}

TEST(Eval, ATextShorterThanAChunkIsRefused) {
  const TextFile file("short");
  const CliResult result = RunQuantd({"eval", DemoModel("f16"), "--text", file.path()});
  EXPECT_NE(result.code, 0);
  EXPECT_THAT(result.err, HasSubstr(file.path() + ": "));
}

TEST(Eval, AChunkLongerThanTheContextIsRefused) {
  const TextFile file(kEnglish);
  const CliResult result =
      RunQuantd({"eval", DemoModel("f16"), "--text", file.path(), "--chunk", "257"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("256"));
  const CliResult capped = RunQuantd(
      {"eval", DemoModel("f16"), "--text", file.path(), "--max-context", "16", "--chunk", "17"});
  EXPECT_EQ(capped.code, 2);
  EXPECT_THAT(capped.err, HasSubstr("chunk: 17 is outside of [3, 16]"));
}

TEST(Eval, ComparesWithAnotherModelAndWithFloat) {
  const TextFile file(kEnglish);
  const auto against = [&](const std::string& model, const std::string& reference) {
    const CliResult result = RunQuantd({"eval", DemoModel(model), "--text", file.path(), "--chunk",
                                        "32", "--against", reference, "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return result.Json()["against"];
  };
  const json itself = against("Q4_0", DemoModel("Q4_0"));
  EXPECT_EQ(itself["kl_max"], 0);
  EXPECT_EQ(itself["top1_agreement"], 1);
  const json in_float = against("Q4_0", "float"), in_f16 = against("Q4_0", DemoModel("f16"));
  EXPECT_EQ(in_float["model"], "float");
  EXPECT_GT(in_float["kl_mean"].get<double>(), 0);
  EXPECT_LT(in_float["kl_mean"].get<double>(), in_f16["kl_mean"].get<double>());
  EXPECT_GT(in_f16["kl_standard_error"].get<double>(), 0);
  EXPECT_GE(in_f16["kl_99th_percentile"].get<double>(), in_f16["kl_mean"].get<double>());
  EXPECT_GT(in_f16["perplexity"].get<double>(), 1);

  const CliResult text = RunQuantd({"eval", DemoModel("Q4_0"), "--text", file.path(), "--chunk",
                                    "32", "--against", DemoModel("f16")});
  EXPECT_THAT(text.out, HasSubstr("shakespeare-6m-f16.gguf: perplexity "));
  EXPECT_THAT(text.out, HasSubstr("same most likely token "));
}

// llama.cpp's perplexity program on the same file and text; of the other files model_test tells.
TEST(Eval, AgreesWithLlamaCpp) {
  if (kSanitized) GTEST_SKIP() << "33,000 tokens take many minutes under a sanitizer";
  QUANTD_NEED_TEST_DATA(text, "text/shakespeare-heldout.txt");
  constexpr double kPerplexity = 37.501;
  const json got = RunQuantd({"eval", DemoModel("Q4_0"), "--text", text, "--json"}).Json();
  EXPECT_NEAR(got["perplexity"].get<double>(), kPerplexity, 0.005 * kPerplexity);
}

}  // namespace
}  // namespace quantd
