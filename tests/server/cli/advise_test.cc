#include <fstream>

#include "gmock/gmock.h"
#include "tests/server/cli/cli_runner.h"

namespace quantd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json Advise(std::vector<std::string> args) {
  args.insert(args.begin(), "advise");
  args.insert(args.end(), {"--reps", "1", "--threads", "1", "--json"});
  const CliResult result = RunQuantd(args);
  EXPECT_EQ(result.code, 0) << result.err;
  return result.Json();
}

TEST(Advise, CountsTheBytesOfTheModelsShape) {
  const json advice = Advise({DemoModel("Q4_0"), "--only", "F16,Q4_0", "--context", "33"});
  const int64_t layer = 2 * 256 * 256 + 2 * 256 * 128 + 3 * 256 * 768;
  const int64_t weights = 6 * layer + 2 * 2048 * 256;
  EXPECT_EQ(advice["formats"][0]["weight_bytes"], 2 * weights);
  EXPECT_EQ(advice["formats"][1]["weight_bytes"], weights / 32 * 18);
  // Two blocks of 32 tokens: keys and values of 128 halves in 6 layers.
  EXPECT_EQ(advice["kv_bytes"], 64 * 6 * 2 * 128 * 2);
  EXPECT_EQ(advice["context"], 33);
  for (const json& format : advice["formats"]) {
    EXPECT_EQ(format["fits"], true);
    EXPECT_GT(format["workloads"]["prefill_512"]["tokens_per_second"].get<double>(), 0);
  }
  EXPECT_THAT(advice["reason"].get<std::string>(),
              HasSubstr("Use " + advice["recommended"].get<std::string>()));
}

TEST(Advise, FormatsThatDoNotFitAreNotMeasured) {
  // Weights of 45 KiB in Q4_0 and 160 KiB in F16, KV cache of 64 KiB at 256 tokens.
  const json advice = Advise({"--shape", "tiny", "--only", "F16,Q4_0,Q4_K", "--memory", "128KiB"});
  EXPECT_EQ(advice["memory_bytes"], 128 << 10);
  EXPECT_EQ(advice["recommended"], "Q4_0");
  EXPECT_EQ(advice["formats"][0]["fits"], false);
  EXPECT_FALSE(advice["formats"][0].contains("workloads"));
  EXPECT_TRUE(advice["formats"][1].contains("workloads"));
  EXPECT_THAT(advice["formats"][2]["note"].get<std::string>(), HasSubstr("rows of 64"));
  const CliResult none = RunQuantd({"advise", "--shape", "tiny", "--memory", "1KiB"});
  EXPECT_EQ(none.code, 0) << none.err;
  EXPECT_THAT(none.out, HasSubstr("No format fits into 1.00 KiB"));
}

class AdviseTextTest : public testing::Test {
 protected:
  void SetUp() override {
    std::ofstream text(text_, std::ios::binary);
    for (int i = 0; i < 8; ++i) {
      text
          << "BRUTUS:\nI do believe that these applauses are\nFor some new honours that are heap'd "
             "on Caesar.\n\nCASSIUS:\nWhy, man, he doth bestride the narrow world\nLike a "
             "Colossus, and we petty men\nWalk under his huge legs and peep about.\n\n";
    }
  }
  void TearDown() override { unlink(text_.c_str()); }

  const std::string text_ = TempPath("heldout.txt");
};

TEST_F(AdviseTextTest, MeasuresWhatEachFormatCosts) {
  const json advice = Advise(
      {DemoModel("f16"), "--only", "F16,Q8_0,Q4_0,Q2_K", "--text", text_, "--text-tokens", "700"});
  const double full = advice["full_perplexity"].get<double>();
  EXPECT_GT(full, 1);
  double last = -1;
  for (const json& format : advice["formats"]) {
    const double kl = format["kl_mean"].get<double>();
    EXPECT_GT(kl, last) << format["format"];
    last = kl;
    EXPECT_NEAR(format["perplexity"].get<double>() / full - 1,
                format["perplexity_rise"].get<double>(), 1e-12);
  }
  EXPECT_EQ(advice["formats"][0]["kl_mean"], 0);
  EXPECT_LT(advice["formats"][1]["kl_mean"].get<double>(), 0.002);
  EXPECT_THAT(advice["reason"].get<std::string>(), HasSubstr("that of the full-precision model"));
}

TEST_F(AdviseTextTest, NeedsAModelInFullPrecision) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"advise", "--shape", "tiny", "--text", text_}, "a shape has no weights"},
      {{"advise", DemoModel("Q4_0"), "--text", text_}, "is quantized already"},
      {{"advise", DemoModel("f16"), "--text", "/nonexistent"}, "/nonexistent"}};
  for (const auto& [args, message] : cases) {
    const CliResult result = RunQuantd(args);
    EXPECT_NE(result.code, 0) << message;
    EXPECT_THAT(result.err, HasSubstr(message));
  }
}

TEST(Advise, WrongOptionsAreNamed) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"advise"}, "give MODEL or --shape"},
      {{"advise", DemoModel("Q4_0"), "--shape", "tiny"}, "give MODEL or --shape"},
      {{"advise", "--shape", "giant"}, "--shape: \"giant\" is unknown"},
      {{"advise", "--shape", "tiny", "--context", "257"}, "the model's context is 256"},
      {{"advise", "--shape", "tiny", "--memory", "lots"}, "--memory"},
      {{"advise", "--shape", "tiny", "--only", "Q9"}, "--only: \"Q9\" is unknown"}};
  for (const auto& [args, message] : cases) {
    const CliResult result = RunQuantd(args);
    EXPECT_EQ(result.code, 2) << message;
    EXPECT_THAT(result.err, HasSubstr(message));
  }
  EXPECT_EQ(RunQuantd({"advise", "/nowhere.gguf"}).code, 1);
}

}  // namespace
}  // namespace quantd
