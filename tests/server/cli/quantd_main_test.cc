#include "server/cli/quantd_main.h"

#include "gmock/gmock.h"
#include "tests/server/cli/cli_runner.h"

namespace quantd {
namespace {

using testing::HasSubstr;

TEST(QuantdMain, SaysItsVersion) {
  const CliResult result = RunQuantd({"--version"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "quantd 1.2.3\n");
}

TEST(QuantdMain, HelpListsEveryCommandAndTheExitCodes) {
  const CliResult result = RunQuantd({"--help"});
  EXPECT_EQ(result.code, 0);
  for (const char* command :
       {"serve", "run", "tokenize", "kernels", "inspect", "bench", "synth", "eval"}) {
    EXPECT_THAT(result.out, HasSubstr(std::string("\n  ") + command + " "));
  }
  EXPECT_THAT(result.out, HasSubstr("Exit codes"));
}

TEST(QuantdMain, EveryCommandHelpsWithAnExampleOfItself) {
  for (const std::string command :
       {"serve", "run", "tokenize", "kernels", "inspect", "bench", "synth", "eval"}) {
    const CliResult result = RunQuantd({command, "--help"});
    EXPECT_EQ(result.code, 0) << command;
    EXPECT_EQ(result.err, "") << command;
    EXPECT_THAT(result.out, testing::ContainsRegex("Examples?:\n[^\n]*quantd " + command));
    // Names of CLI11's validators explain nothing to a reader.
    EXPECT_THAT(result.out, testing::Not(HasSubstr("NONNEGATIVE")));
  }
}

TEST(QuantdMain, WrongCommandLinesExitWith2AndPointToHelp) {
  const std::string model = DemoModel("f16");
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "quantd: "},
      {{"frobnicate"}, "unknown command or option \"frobnicate\""},
      {{"run"}, "quantd run: model is required"},
      {{"run", model, "--frobnicate"}, "--frobnicate"},
      {{"run", model, "-n", "many"}, "--max-tokens"},
      {{"run", model, "-n", "-1"}, "-1 is below 0"},
      {{"run", model, "--prompt", "a", "--token-ids", "1"}, "excludes"},
      {{"run", model, "--greedy", "--temperature", "1"}, "excludes"},
      {{"run", model, "--logits"}, "requires --json"},
      {{"run", model, "--kv-type", "f8"}, "--kv-type"},
      {{"serve", "--model", "a=" + model, "--kv-type", "f8"}, "--kv-type"},
      {{"tokenize"}, "model is required"},
      {{"inspect"}, "file is required"},
      {{"bench", model, "--batch", "1,0"}, "--batch"},
      {{"eval", model}, "--text is required"},
  };
  for (const auto& [args, message] : cases) {
    const CliResult result = RunQuantd(args);
    EXPECT_EQ(result.code, 2) << message;
    EXPECT_EQ(result.out, "") << message;
    EXPECT_THAT(result.err, HasSubstr(message));
    EXPECT_THAT(result.err, HasSubstr("--help'"));
  }
}

TEST(QuantdMain, MissingFilesExitWith1AndAreNamed) {
  const std::string missing = "/nonexistent/model.gguf";
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"run", missing, "--prompt", "a"},
           {"tokenize", missing},
           {"inspect", missing},
           {"bench", missing},
           {"eval", missing, "--text", DemoModel("f16")},
           {"eval", DemoModel("f16"), "--text", missing},
           {"synth", "--shape", "tiny", "--format", "F32", "--vocab", missing, "-o", "/tmp/x"}}) {
    const CliResult result = RunQuantd(args);
    EXPECT_EQ(result.code, 1) << args[0];
    EXPECT_EQ(result.out, "") << args[0];
    EXPECT_THAT(result.err, testing::StartsWith("quantd " + args[0] + ": " + missing + ": "));
  }
}

TEST(QuantdMain, FilesThatAreNoModelsExitWith1) {
  for (const char* command : {"inspect", "tokenize", "run"}) {
    const CliResult result = RunQuantd({command, SourcePath("CMakeLists.txt")});
    EXPECT_EQ(result.code, 1) << command;
    EXPECT_THAT(result.err, HasSubstr("CMakeLists.txt: "));
  }
}

TEST(QuantdMain, AnOutputThatCannotBeWrittenIsAFailure) {
  const CliResult result =
      RunQuantd(CliCall{{"inspect", DemoModel("f16"), "--json"}, "", {}, "/dev/full"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("quantd inspect: standard output: "));
}

}  // namespace
}  // namespace quantd
