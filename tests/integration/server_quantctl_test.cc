// quantctl against a real daemon: output, JSON and exit codes.
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "server/cli/quantctl.h"
#include "tests/integration/server_fixture.h"

namespace quantd {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ServerQuantctlTest : public ServerTest {
 protected:
  struct Output {
    int code;
    std::string out, err;
  };
  static Output Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "quantctl");
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = QuantctlMain(static_cast<int>(argv.size()), argv.data(), "0.0.0");
    std::string out = ::testing::internal::GetCapturedStdout();
    return {code, std::move(out), ::testing::internal::GetCapturedStderr()};
  }
  /// With --server of this test's daemon.
  Output Ask(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--server", Address()});
    return Run(std::move(arguments));
  }
};

TEST_F(ServerQuantctlTest, GeneratesAndStreams) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  v1::GenerateResponse expected;
  ASSERT_TRUE(Generate(Greedy("ROMEO:", 12), &expected).ok());

  const Output text = Ask({"generate", "--prompt", "ROMEO:", "-n", "12", "--greedy"});
  EXPECT_EQ(text.code, kExitOk) << text.err;
  EXPECT_EQ(text.out, expected.output().text());
  EXPECT_THAT(text.err, HasSubstr("12 tokens"));

  const Output one = Ask({"generate", "--prompt", "ROMEO:", "-n", "12", "--greedy", "--json",
                          "--logits", "--logprobs", "2"});
  ASSERT_EQ(one.code, kExitOk) << one.err;
  const json object = json::parse(one.out);
  EXPECT_EQ(object["text"], expected.output().text());
  EXPECT_EQ(object["ids"].size(), 12u);
  EXPECT_EQ(object["prompt_ids"].size(), static_cast<size_t>(expected.prompt().prompt_tokens()));
  EXPECT_EQ(object["logits_after_prompt"].size(), 2048u);
  EXPECT_EQ(object["logprobs"].size(), 12u);
  EXPECT_EQ(object["finish_reason"], "length");
  EXPECT_EQ(object["usage"]["completion_tokens"], 12);

  std::string ids;
  for (const int id : expected.prompt().token_ids())
    absl::StrAppend(&ids, ids.empty() ? "" : ",", id);
  const Output stream = Ask({"stream", "--token-ids", ids, "-n", "12", "--temperature", "0"});
  EXPECT_EQ(stream.code, kExitOk) << stream.err;
  EXPECT_EQ(stream.out, expected.output().text());
  EXPECT_THAT(stream.err, HasSubstr("ended by length"));

  const Output lines = Ask({"stream", "--prompt", "ROMEO:", "-n", "12", "--greedy", "--json"});
  std::string streamed;
  std::istringstream in(lines.out);
  std::string line, last;
  while (std::getline(in, line)) {
    last = line;
    const json event = json::parse(line);
    if (event.contains("delta")) streamed += event["delta"]["text"].get<std::string>();
  }
  EXPECT_EQ(streamed, expected.output().text());
  EXPECT_EQ(json::parse(last)["finished"]["reason"], "LENGTH");
}

TEST_F(ServerQuantctlTest, ManagesModels) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  EXPECT_THAT(Ask({"models"}).out, HasSubstr("demo"));
  const Output load = Ask({"load", "second", SourcePath(kSecondModel), "--json"});
  ASSERT_EQ(load.code, kExitOk) << load.err;
  EXPECT_EQ(json::parse(load.out)["state"], "READY");
  const json models = json::parse(Ask({"models", "--json"}).out)["models"];
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[1]["info"]["format"], "Q4_0");
  EXPECT_EQ(Ask({"health", "second"}).code, kExitOk);
  EXPECT_EQ(Ask({"unload", "second"}).code, kExitOk);
  const Output health = Ask({"health", "second", "--json"});
  EXPECT_EQ(health.code, kExitUnavailable);
  EXPECT_EQ(json::parse(health.out)["status"], "NOT_SERVING");
  EXPECT_EQ(Ask({"unload", "second"}).code, kExitFailure);
}

TEST_F(ServerQuantctlTest, ExplainsTheMachine) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  EXPECT_THAT(Ask({"hardware"}).out, HasSubstr("reference"));
  EXPECT_EQ(json::parse(Ask({"hardware", "--json"}).out)["threads"], 1);
  EXPECT_THAT(Ask({"kernels", "--op", "gemm", "--format", "Q4_0"}).out, HasSubstr("chosen"));
  const json table = json::parse(Ask({"kernels", "--json"}).out);
  EXPECT_FALSE(table["kernels"].empty());
  for (const json& kernel : table["kernels"]) {
    EXPECT_TRUE(kernel["native"].is_boolean() && kernel["min_rows"].is_number());
  }
  EXPECT_THAT(Ask({"explain", "demo"}).out, HasSubstr("Totals"));
  EXPECT_FALSE(json::parse(Ask({"explain", "--json"}).out)["weights"].empty());
}

TEST_F(ServerQuantctlTest, TokenizesBothWays) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  const Output ids = Ask({"tokenize", "--text", "ROMEO: speak", "--json"});
  ASSERT_EQ(ids.code, kExitOk) << ids.err;
  std::string list;
  for (const int id : json::parse(ids.out)) absl::StrAppend(&list, list.empty() ? "" : ",", id);
  EXPECT_EQ(Ask({"detokenize", list}).out, "ROMEO: speak");
  EXPECT_EQ(json::parse(Ask({"detokenize", list, "--json"}).out)["text"], "ROMEO: speak");
}

TEST_F(ServerQuantctlTest, ErrorsAreToldWithTheirField) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  const Output field = Ask({"generate", "--prompt", "x", "--top-p", "2"});
  EXPECT_EQ(field.code, kExitFailure);
  EXPECT_THAT(field.err, HasSubstr("INVALID_ARGUMENT"));
  EXPECT_THAT(field.err, HasSubstr("wrong field: sampling.top_p"));
  EXPECT_EQ(Ask({"generate", "--prompt", "x", "--model", "nope"}).code, kExitFailure);
  EXPECT_EQ(Ask({"generate", "--prompt", "x", "--timeout", "0.001"}).code, kExitFailure);
  EXPECT_EQ(Ask({"abort", "nobody"}).code, kExitFailure);
}

TEST_F(ServerQuantctlTest, UsageAndReachability) {
  EXPECT_EQ(Run({"generate", "--no-such-flag"}).code, kExitUsage);
  EXPECT_EQ(Run({}).code, kExitUsage);
  EXPECT_EQ(Run({"generate", "--prompt", "x", "--logit-bias", "nonsense"}).code, kExitUsage);
  EXPECT_EQ(Run({"--version"}).out, "quantctl 0.0.0\n");
  const Output unreachable = Run({"models", "--server", "127.0.0.1:1", "--timeout", "2"});
  EXPECT_EQ(unreachable.code, kExitUnavailable);
  EXPECT_THAT(unreachable.err, HasSubstr("127.0.0.1:1"));
  for (const char* command : {"generate", "stream", "abort", "tokenize", "detokenize", "models",
                              "load", "unload", "health", "hardware", "kernels", "explain"}) {
    const Output help = Run({command, "--help"});
    EXPECT_EQ(help.code, kExitOk) << command;
    EXPECT_THAT(help.out, HasSubstr("Example")) << command;
    EXPECT_THAT(help.out, HasSubstr("QUANTD_SERVER")) << command;
  }
}

}  // namespace
}  // namespace quantd
