#include <map>

#include "gmock/gmock.h"
#include "tests/server/cli/cli_runner.h"

namespace quantd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Kernels, JsonNamesTheMachineAndOneKernelPerFormatAndUse) {
  const json report = RunQuantd({"kernels", "--json"}).Json();
  for (const char* key : {"cpu", "features", "isas", "physical_cores", "usable_threads",
                          "memory_bytes", "cuda_status"}) {
    EXPECT_TRUE(report["hardware"].contains(key)) << key;
  }
  std::map<std::string, int> decode, batch;
  for (const json& row : report["kernels"]) {
    for (const char* key :
         {"op", "format", "kernel", "isa", "min_m", "max_m", "native", "how", "feasible",
          "quarantined", "selected", "chosen_by", "decode", "batch", "reason"}) {
      ASSERT_TRUE(row.contains(key)) << key;
    }
    if (row["op"] != "gemm") continue;
    decode[row["format"]] += row["decode"].get<bool>();
    batch[row["format"]] += row["batch"].get<bool>();
    EXPECT_EQ(row["selected"].get<bool>(), row["reason"].get<std::string>().empty());
  }
  for (const char* format : {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"}) {
    EXPECT_EQ(decode[format], 1) << format;
    EXPECT_EQ(batch[format], 1) << format;
  }
}

TEST(Kernels, ReferenceIsAllThatRunsWhenForced) {
  const json report = RunQuantd({"kernels", "--json", "--force-isa", "reference"}).Json();
  int selected = 0;
  for (const json& row : report["kernels"]) {
    if (!row["selected"].get<bool>()) continue;
    ++selected;
    EXPECT_EQ(row["isa"], "reference") << row.dump();
  }
  EXPECT_GT(selected, 8);
}

TEST(Kernels, TheEnvironmentForcesAsTheFlagDoes) {
  CliCall call{{"kernels", "--json"}};
  call.environment = {{"QUANTD_FORCE_ISA", "reference"}};
  EXPECT_EQ(RunQuantd(call).Json()["kernels"],
            RunQuantd({"kernels", "--json", "--force-isa", "reference"}).Json()["kernels"]);
  call.environment = {{"QUANTD_FORCE_ISA", "vax"}};
  const CliResult unknown = RunQuantd(call);
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("avx512vnni"));  // what would have been possible
}

TEST(Kernels, MeasureTimesEveryKernelOfAFormatAgainstLimitsAndNaivePath) {
  const std::vector<std::string> args = {"kernels", "--measure", "--format", "Q4_0",      "--rows",
                                         "64",      "--cols",    "256",      "--threads", "1"};
  std::vector<std::string> json_args = args;
  json_args.push_back("--json");
  const json report = RunQuantd(json_args).Json();
  EXPECT_EQ(report["threads"], 1);
  EXPECT_GT(report["read_gb_per_second"].get<double>(), 0);
  std::map<int, int> chosen;
  for (const json& row : report["kernels"]) {
    for (const char* key : {"kernel", "isa", "native", "of_bandwidth", "of_peak"}) {
      ASSERT_TRUE(row.contains(key)) << key;
    }
    EXPECT_EQ(row["format"], "Q4_0");
    for (const char* key : {"gb_per_second", "gop_per_second", "naive_gop_per_second"}) {
      EXPECT_GT(row[key].get<double>(), 0) << key;
    }
    EXPECT_NEAR(row["times_naive"].get<double>() * row["naive_gop_per_second"].get<double>(),
                row["gop_per_second"].get<double>(), 1e-6 * row["gop_per_second"].get<double>());
    chosen[row["m"].get<int>()] += row["chosen"].get<bool>();
  }
  EXPECT_EQ(chosen, (std::map<int, int>{{1, 1}, {4, 1}, {8, 1}, {16, 1}, {32, 1}, {512, 1}}));
  const CliResult table = RunQuantd(args);
  ASSERT_EQ(table.code, 0) << table.err;
  for (const char* text : {"GB/s", "OF PEAK", "TIMES NAIVE", "gemm_q4_0_", "512"}) {
    EXPECT_THAT(table.out, HasSubstr(text));
  }
}

TEST(Kernels, MeasureRefusesWhatItCannotMultiply) {
  EXPECT_EQ(RunQuantd({"kernels", "--measure", "--format", "Q9_9"}).code, 2);
  EXPECT_EQ(RunQuantd({"kernels", "--measure", "--cols", "257"}).code, 2);
  EXPECT_EQ(RunQuantd({"kernels", "--measure", "--cols", "x"}).code, 2);
}

TEST(Kernels, FormatPicksTheLinesOfTheReport) {
  const json report = RunQuantd({"kernels", "--json", "--format", "Q6_K"}).Json();
  EXPECT_GT(report["kernels"].size(), 0u);
  for (const json& row : report["kernels"]) EXPECT_EQ(row["format"], "Q6_K");
}

TEST(Kernels, TableShowsEveryFormatAndTheOtherOperations) {
  const CliResult all = RunQuantd({"kernels"});
  ASSERT_EQ(all.code, 0) << all.err;
  for (const char* text : {"Processor", "FORMAT", "Q4_0", "gemm_q4_0_reference", "native",
                           "emulated", "decode", "batch", "rms_norm", "attention"}) {
    EXPECT_THAT(all.out, HasSubstr(text));
  }
  const CliResult chosen = RunQuantd({"kernels", "--chosen"});
  EXPECT_LT(chosen.out.size(), all.out.size());
  EXPECT_THAT(chosen.out, HasSubstr("Q4_0"));
}

}  // namespace
}  // namespace quantd
