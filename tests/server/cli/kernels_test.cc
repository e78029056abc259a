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
    for (const char* key : {"op", "format", "kernel", "isa", "min_m", "max_m", "native", "how",
                            "feasible", "quarantined", "selected", "decode", "batch", "reason"}) {
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
