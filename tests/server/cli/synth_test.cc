#include "gmock/gmock.h"
#include "tests/server/cli/cli_runner.h"

namespace quantd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Synth, ListsItsShapes) {
  const CliResult result = RunQuantd({"synth", "--list-shapes"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("llama-3.2-1b"));
  EXPECT_THAT(result.out, HasSubstr("125m"));
  EXPECT_THAT(result.out, testing::ContainsRegex("1.1b +2048 +16 +32 +8 +8192 +32000"));
}

TEST(Synth, WritesAModelThatIsInspectedAndRun) {
  const std::string path = TempPath("synth.gguf");
  const CliResult written = RunQuantd(
      {"synth", "--shape", "tiny", "--format", "q8_0", "--vocab", DemoModel("f16"), "-o", path});
  ASSERT_EQ(written.code, 0) << written.err;
  EXPECT_EQ(written.out, "");
  EXPECT_THAT(written.err, HasSubstr(path));

  const json report = RunQuantd({"inspect", path, "--json"}).Json();
  EXPECT_EQ(report["errors"], json::array());
  EXPECT_EQ(report["formats"][0]["format"], "Q8_0");
  EXPECT_EQ(report["tokenizer"]["vocab"], 2048);
  const CliResult run = RunQuantd({"run", path, "-p", "A", "-n", "3", "--ignore-eos", "--json"});
  EXPECT_EQ(run.Json()["ids"].size(), 3u);
  unlink(path.c_str());
}

TEST(Synth, OneSeedGivesOneFile) {
  const auto bytes = [](const std::string& seed) {
    const std::string path = TempPath("seed.gguf");
    EXPECT_EQ(RunQuantd({"synth", "--shape", "tiny", "--format", "Q4_0", "--vocab",
                         DemoModel("f16"), "-o", path, "--seed", seed, "-q"})
                  .err,
              "");
    std::string content = ReadFileOrDie(path);
    unlink(path.c_str());
    return content;
  };
  const std::string first = bytes("3");
  EXPECT_TRUE(first == bytes("3"));
  EXPECT_FALSE(first == bytes("4"));
}

TEST(Synth, SaysWhatIsMissingOrUnknown) {
  const std::vector<std::string> complete = {"synth",          "--shape", "tiny",
                                             "--format",       "F32",     "--vocab",
                                             DemoModel("f16"), "-o",      TempPath("x")};
  const auto with = [&](size_t at, const std::string& value) {
    std::vector<std::string> args = complete;
    if (value.empty()) {
      args.erase(args.begin() + at - 1, args.begin() + at + 1);
    } else {
      args[at] = value;
    }
    return RunQuantd(args);
  };
  EXPECT_THAT(with(2, "").err, HasSubstr("--shape is required"));
  EXPECT_THAT(with(4, "").err, HasSubstr("--format is required"));
  EXPECT_THAT(with(6, "").err, HasSubstr("--vocab is required"));
  EXPECT_THAT(with(8, "").err, HasSubstr("--output is required"));
  EXPECT_EQ(with(2, "").code, 2);
  const CliResult shape = with(2, "900b");
  EXPECT_EQ(shape.code, 2);
  EXPECT_THAT(shape.err, HasSubstr("900b"));
  EXPECT_THAT(with(4, "Q9").err, HasSubstr("Q9"));
  EXPECT_EQ(with(8, "/nonexistent/x.gguf").code, 1);
}

}  // namespace
}  // namespace quantd
