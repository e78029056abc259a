#include "gmock/gmock.h"
#include "tests/server/cli/cli_runner.h"

namespace quantd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Bench, JsonHasATestPerBatchAndTheLimits) {
  const CliResult result = RunQuantd({"bench", DemoModel("Q4_0"), "--prompt", "40", "--gen", "4",
                                      "--depth", "3", "--batch", "1,3", "--reps", "2", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json report = result.Json();
  EXPECT_GT(report["host"]["read_gb_per_second"].get<double>(), 0);
  EXPECT_GE(report["host"]["threads"].get<int>(), 1);
  EXPECT_EQ(report["model"]["format"], "Q4_0");
  // The embedding table is apart from the output matrix, so no step reads it: 2048 x 256 weights.
  const auto per_step = report["model"]["multiply_adds_per_token"].get<int64_t>();
  EXPECT_EQ(per_step, 6 * (256 * 256 * 2 + 256 * 128 * 2 + 3 * 256 * 768) + 2048 * 256);

  const json& results = report["results"];
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0]["test"], "prefill");
  EXPECT_EQ(results[0]["tokens"], 40);
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_EQ(results[i]["test"], "decode");
    EXPECT_EQ(results[i]["batch"], i == 1 ? 1 : 3);
    EXPECT_EQ(results[i]["depth"], 3);
    EXPECT_EQ(results[i]["tokens"], 4);
    // A step makes one token of each sequence and reads the weights once.
    const double steps =
        results[i]["tokens_per_second"].get<double>() / results[i]["batch"].get<double>();
    EXPECT_NEAR(results[i]["weight_gb_per_second"].get<double>(),
                steps * report["model"]["weight_bytes_per_step"].get<double>() / 1e9, 1e-6);
  }
  for (const json& row : results) {
    EXPECT_GT(row["tokens_per_second"].get<double>(), 0);
    EXPECT_GE(row["stddev"].get<double>(), 0);
    EXPECT_EQ(row["reps"], 2);
  }
}

TEST(Bench, TheDefaultPromptIsCutToTheContextAndAGivenOneRefused) {
  const json cut =
      RunQuantd({"bench", DemoModel("Q4_0"), "--gen", "0", "--reps", "1", "--json"}).Json();
  ASSERT_EQ(cut["results"].size(), 1u);
  EXPECT_EQ(cut["results"][0]["tokens"], 256);
  const CliResult refused = RunQuantd({"bench", DemoModel("Q4_0"), "--prompt", "257"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("257 tokens; the model's context is 256"));
}

TEST(Bench, DepthAndGenMustFitTheContext) {
  const CliResult fits = RunQuantd({"bench", DemoModel("Q4_0"), "--prompt", "0", "--depth", "254",
                                    "--gen", "2", "--batch", "1", "--reps", "1", "--json"});
  EXPECT_EQ(fits.code, 0) << fits.err;
  EXPECT_EQ(fits.Json()["results"].size(), 1u);
  const CliResult refused = RunQuantd({"bench", DemoModel("Q4_0"), "--depth", "254", "--gen", "3"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("--depth 254 + --gen 3 = 257 tokens"));
}

TEST(Bench, MaxContextBringsTheLongContextOfLongRope) {
  std::vector<std::string> args = {"bench",    SourcePath("tests/golden/families/phi3-longrope"),
                                   "--prompt", "40",
                                   "--depth",  "30",
                                   "--gen",    "2",
                                   "--batch",  "1",
                                   "--reps",   "1",
                                   "--json"};
  const CliResult refused = RunQuantd(args);
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("40 tokens; the model's context is 16, so give at most that, "
                                     "or a --max-context of up to 128"));
  args.insert(args.end(), {"--max-context", "64"});
  const CliResult result = RunQuantd(args);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.Json()["model"]["context"], 64);
  EXPECT_EQ(result.Json()["results"].size(), 2u);
}

TEST(Bench, AnEmptyCacheIsADepthToo) {
  const CliResult result = RunQuantd({"bench", DemoModel("Q8_0"), "--prompt", "1", "--depth", "0",
                                      "--gen", "1", "--batch", "2", "--reps", "1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("OF READ LIMIT"));
  EXPECT_THAT(result.out, HasSubstr("decode"));
}

}  // namespace
}  // namespace quantd
