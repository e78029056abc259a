#include "server/cli/bench_formats.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/server/cli/cli_runner.h"
#include "tests/server/cli/xml_elements.h"

namespace quantd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const char* const kWorkloads[] = {"decode", "batch_8", "batch_32", "prefill_512"};

TEST(BenchFormats, WritesTableJsonAndChartOfTheSameNumbers) {
  const std::string json_path = TempPath("formats.json"), svg_path = TempPath("formats.svg");
  const CliResult result =
      RunQuantd({"bench", "--formats", "--shape", "tiny", "--only", "q8_0,F16,int4-g128-zero,Q4_K",
                 "--reps", "1", "--json-file", json_path, "--svg", svg_path, "--threads", "1"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json report = json::parse(ReadFileOrDie(json_path), nullptr, false);
  ASSERT_TRUE(report.is_object());
  EXPECT_EQ(report["relative_to"], "F16");
  EXPECT_EQ(report["shape"]["dim"], 64);
  EXPECT_EQ(report["host"]["threads"], 1);

  // In the order of reports, whatever that of the command line. Rows of 64 are no whole blocks of
  // the last two.
  const json& formats = report["formats"];
  ASSERT_EQ(formats.size(), 4u);
  EXPECT_EQ(formats[0]["format"], "F16");
  EXPECT_EQ(formats[1]["format"], "Q8_0");
  for (const size_t skipped : {2u, 3u}) {
    EXPECT_THAT(formats[skipped]["skipped"].get<std::string>(), HasSubstr("rows of 64"));
    EXPECT_THAT(result.out, HasSubstr(formats[skipped]["format"].get<std::string>()));
  }
  std::multiset<std::string> labels, bars;
  for (const char* workload : kWorkloads) {
    const json& base = formats[0]["workloads"][workload];
    EXPECT_EQ(base["relative"], 1);
    for (const size_t i : {0u, 1u}) {
      const json& speed = formats[i]["workloads"][workload];
      const double rate = speed["tokens_per_second"], naive = speed["naive_tokens_per_second"];
      EXPECT_GT(rate, 0);
      EXPECT_GT(naive, 0);
      EXPECT_DOUBLE_EQ(speed["relative"].get<double>(),
                       rate / base["tokens_per_second"].get<double>());
      EXPECT_DOUBLE_EQ(speed["naive_relative"].get<double>(),
                       naive / base["tokens_per_second"].get<double>());
      for (const char* relative : {"relative", "naive_relative"}) {
        char text[32];
        std::snprintf(text, sizeof(text), "%.2f", speed[relative].get<double>());
        labels.insert(text);
        EXPECT_THAT(result.out, HasSubstr(absl::StrCat("(", text, ")")));
      }
    }
  }
  std::set<std::string> texts;
  for (const XmlElement& element : ParseXml(ReadFileOrDie(svg_path))) {
    if (element.name == "text" && element.Get("class") == "bar") bars.insert(element.text);
    texts.insert(element.text);
  }
  EXPECT_EQ(bars, labels);
  EXPECT_TRUE(texts.contains("Q8_0"));
  EXPECT_FALSE(texts.contains("Q4_K"));
  unlink(json_path.c_str());
  unlink(svg_path.c_str());
}

TEST(BenchFormats, JsonTakesThePlaceOfTheTable) {
  const json report = RunQuantd({"bench", "--formats", "--shape", "tiny", "--only", "Q4_0",
                                 "--reps", "1", "--json", "--force-isa", "reference"})
                          .Json();
  // Without F16 and F32 the first format is what the others are compared with.
  EXPECT_EQ(report["relative_to"], "Q4_0");
  const json& decode = report["formats"][0]["workloads"]["decode"];
  EXPECT_EQ(decode["isa"], "reference");
  EXPECT_EQ(decode["native"], false);
}

TEST(BenchFormats, WrongOptionsAreNamed) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"bench"}, "MODEL or --formats"},
      {{"bench", "--formats", DemoModel("Q4_0")}, "--formats"},
      {{"bench", "--formats", "--gen", "4"}, "--formats"},
      {{"bench", DemoModel("Q4_0"), "--svg", "x.svg"}, "--formats"},
      {{"bench", "--formats", "--shape", "giant"}, "--shape: \"giant\" is unknown; known are tiny"},
      {{"bench", "--formats", "--only", "F16,Q9"}, "--only: \"Q9\" is unknown; known are F32"}};
  for (const auto& [args, message] : cases) {
    const CliResult result = RunQuantd(args);
    EXPECT_EQ(result.code, 2) << message;
    EXPECT_THAT(result.err, HasSubstr(message));
  }
}

TEST(BenchFormats, FailsWhereNothingCanBeMeasuredOrWritten) {
  const CliResult nothing =
      RunQuantd({"bench", "--formats", "--shape", "tiny", "--only", "Q4_K", "--reps", "1"});
  EXPECT_EQ(nothing.code, 1);
  EXPECT_THAT(nothing.err, HasSubstr("Q4_K: rows of 64"));
  const CliResult unwritten = RunQuantd({"bench", "--formats", "--shape", "tiny", "--only", "F16",
                                         "--reps", "1", "--svg", "/nowhere/chart.svg"});
  EXPECT_EQ(unwritten.code, 1);
  EXPECT_THAT(unwritten.err, HasSubstr("/nowhere/chart.svg: cannot be written"));
}

}  // namespace
}  // namespace quantd
