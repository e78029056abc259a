#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "tests/server/cli/cli_runner.h"
#include "tests/support/chat_model.h"

namespace quantd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

/// Gaps between the best two logits below this leave the choice to rounding.
constexpr double kClearMargin = 0.02;

std::string JoinIds(const json& ids) {
  std::string text;
  for (const json& id : ids) {
    if (!text.empty()) text += ',';
    text += id.dump();
  }
  return text;
}

/// Steps up to the first where the ids differ, which must be one where the reference's choice is
/// not clear: from there on the two continue different texts.
size_t AgreedSteps(const json& got, const json& expected, double clear) {
  const json& want = expected["greedy_ids"];
  size_t step = 0;
  while (step < want.size() && got[step] == want[step]) ++step;
  if (step < want.size()) {
    EXPECT_LT(expected["greedy_margin"][step].get<double>(), clear) << "step " << step;
  }
  return step;
}

/// Runs every case of a reference file through `quantd run`. `tolerance`: of logits, as a share of
/// the largest; `clear`: margins from which on ids must agree.
void ExpectGolden(const std::string& model, const std::string& golden, double tolerance,
                  double clear, const std::string& isa = "") {
  const json cases = json::parse(ReadFileOrDie(SourcePath("tests/golden/" + golden)));
  size_t agreed = 0;
  for (const json& expected : cases) {
    CliCall call{{"run", model, "--token-ids", JoinIds(expected["prompt_ids"]), "-n", "64",
                  "--greedy", "--ignore-eos", "--json", "--logits"}};
    if (!isa.empty()) call.environment = {{"QUANTD_FORCE_ISA", isa}};
    const CliResult result = RunQuantd(call);
    ASSERT_EQ(result.code, 0) << result.err;
    const json got = result.Json();
    EXPECT_EQ(got["prompt_ids"], expected["prompt_ids"]);
    ASSERT_EQ(got["ids"].size(), 64u);
    agreed += AgreedSteps(got["ids"], expected, clear);
    const auto want = expected["logits_after_prompt"].get<std::vector<double>>();
    const auto logits = got["logits_after_prompt"].get<std::vector<double>>();
    ASSERT_EQ(logits.size(), want.size());
    double largest = 0, difference = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      largest = std::max(largest, std::abs(want[i]));
      difference = std::max(difference, std::abs(logits[i] - want[i]));
    }
    EXPECT_LT(difference, tolerance * largest) << golden;
  }
  EXPECT_GE(agreed, 64u);  // else the margins excused everything
}

TEST(Run, GreedyEqualsTheReferenceInF16) {
  ExpectGolden(DemoModel("f16"), "shakespeare-6m.expected.json", 2e-2, kClearMargin);
}

TEST(Run, GreedyEqualsTheReferenceInF16WithEveryIsa) {
  const json report = RunQuantd({"kernels", "--json"}).Json();
  for (const json& isa : report["hardware"]["isas"]) {
    SCOPED_TRACE(isa.get<std::string>());
    ExpectGolden(DemoModel("f16"), "shakespeare-6m.expected.json", 2e-2, kClearMargin,
                 isa.get<std::string>());
  }
}

// The references of these leave activations in float; quantd rounds them to 8 bits, which moves
// logits by some hundredths.
TEST(Run, GreedyEqualsTheReferenceInQ8_0) {
  ExpectGolden(DemoModel("Q8_0"), "shakespeare-6m-Q8_0.expected.json", 2e-2, 0.1);
}

TEST(Run, GreedyEqualsTheReferenceInQ4_0) {
  ExpectGolden(DemoModel("Q4_0"), "shakespeare-6m-Q4_0.expected.json", 2e-2, 0.1);
}

TEST(Run, GreedyEqualsTheReferenceInF32) {
  QUANTD_NEED_TEST_DATA(model, "models/stories260K-f32.gguf");
  ExpectGolden(model, "stories260K.expected.json", 1e-3, kClearMargin);
}

TEST(Run, GreedyEqualsTheReferenceOfAFolder) {
  ExpectGolden(SourcePath("tests/golden/hf-models/gptq-4-v2-act-order"),
               "hf-models/gptq-4-v2-act-order/expected.json", 2e-2, kClearMargin);
}

TEST(Run, AFolderWithoutATokenizerTakesTokenIdsOnly) {
  const std::string model = SourcePath("tests/golden/hf-models/bnb-nf4");
  const CliResult text = RunQuantd({"run", model, "--prompt", "x", "-n", "1"});
  EXPECT_EQ(text.code, 1);
  EXPECT_THAT(text.err, HasSubstr("token ids"));
  const CliResult stop = RunQuantd({"run", model, "--token-ids", "7,12", "--stop", "x", "-n", "1"});
  EXPECT_EQ(stop.code, 1);
  const CliResult ids = RunQuantd({"run", model, "--token-ids", "7,12", "-n", "1", "-q"});
  EXPECT_EQ(ids.code, 0) << ids.err;
}

TEST(Run, JsonHasItsKeys) {
  const CliResult result =
      RunQuantd({"run", DemoModel("Q4_0"), "--prompt", "ROMEO:", "-n", "5", "--greedy", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json got = result.Json();
  EXPECT_EQ(got["ids"].size(), 5u);
  EXPECT_FALSE(got["prompt_ids"].empty());
  EXPECT_TRUE(got["text"].is_string());
  EXPECT_EQ(got["finish_reason"], "length");
  EXPECT_EQ(got["usage"]["prompt_tokens"], got["prompt_ids"].size());
  EXPECT_EQ(got["usage"]["completion_tokens"], 5);
  for (const char* key :
       {"queue_seconds", "prefill_seconds", "decode_seconds", "time_to_first_token_seconds",
        "total_seconds", "prefill_tokens_per_second", "decode_tokens_per_second"}) {
    EXPECT_TRUE(got["timings"][key].is_number()) << key;
  }
  EXPECT_FALSE(got.contains("logits_after_prompt"));
  EXPECT_FALSE(got.contains("seed"));  // nothing was drawn
}

TEST(Run, StreamsTheTextThatJsonHas) {
  const std::vector<std::string> base = {"run", DemoModel("Q8_0"), "--greedy", "-n", "20"};
  std::vector<std::string> streamed = base, whole = base;
  streamed.insert(streamed.end(), {"--prompt", "JULIET:"});
  whole.insert(whole.end(), {"--json"});
  const CliResult text = RunQuantd(streamed);
  const CliResult object = RunQuantd(whole, "JULIET:");  // the prompt on standard input
  EXPECT_EQ(text.out, object.Json()["text"].get<std::string>() + "\n");
  EXPECT_THAT(text.err, testing::ContainsRegex("prefill [0-9]+ tokens, [0-9.]+ tokens/s; decode 20 "
                                               "tokens, [0-9.]+ tokens/s; ended by length"));
}

TEST(Run, QuietSaysNothingOnStandardError) {
  EXPECT_EQ(RunQuantd({"run", DemoModel("Q4_0"), "-p", "A", "-n", "2", "-q"}).err, "");
}

TEST(Run, ASeedRepeatsARun) {
  const auto run = [](const std::string& seed) {
    return RunQuantd({"run", DemoModel("f16"), "-p", "KING", "-n", "30", "--seed", seed, "--json"})
        .Json()["ids"];
  };
  EXPECT_EQ(run("7"), run("7"));
  EXPECT_NE(run("7"), run("8"));
}

TEST(Run, ARandomSeedIsToldAndRepeatsTheRun) {
  const std::vector<std::string> args = {"run", DemoModel("f16"), "-p", "KING", "-n",
                                         "20",  "--json"};
  const json first = RunQuantd(args).Json();
  std::vector<std::string> again = args;
  again.insert(again.end(), {"--seed", first["seed"].dump()});
  EXPECT_EQ(RunQuantd(again).Json()["ids"], first["ids"]);
}

TEST(Run, StopsBeforeTheStopText) {
  const std::vector<std::string> args = {
      "run", DemoModel("f16"), "--token-ids", "871,2007", "--greedy", "-n", "64", "--json"};
  const std::string text = RunQuantd(args).Json()["text"];
  ASSERT_THAT(text, HasSubstr("tyrant"));
  std::vector<std::string> with_stop = args;
  with_stop.insert(with_stop.end(), {"--stop", "never there", "--stop", "tyrant"});
  const json stopped = RunQuantd(with_stop).Json();
  EXPECT_EQ(stopped["text"], text.substr(0, text.find("tyrant")));
  EXPECT_EQ(stopped["finish_reason"], "stop");
  EXPECT_EQ(stopped["matched_stop"], "tyrant");
}

TEST(Run, FillsTheContextAndNoMore) {
  const json got = RunQuantd({"run", DemoModel("Q4_0"), "--token-ids", "871,2007", "-n", "0",
                              "--greedy", "--ignore-eos", "--json"})
                       .Json();
  EXPECT_EQ(got["finish_reason"], "length");
  EXPECT_EQ(got["ids"].size() + 2, 256u);
}

TEST(Run, APromptTooLongIsToldWithTheLimits) {
  std::string prompt;
  for (int i = 0; i < 300; ++i) prompt += "word ";
  const CliResult result = RunQuantd({"run", DemoModel("f16"), "--prompt", prompt});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("context is 256"));
  EXPECT_THAT(result.err, HasSubstr("at most 255"));
}

TEST(Run, TheLongestPromptThatFitsGivesOneToken) {
  std::string ids = "871";
  for (int i = 1; i < 255; ++i) ids += ",2007";
  const CliResult fits =
      RunQuantd({"run", DemoModel("f16"), "--token-ids", ids, "--greedy", "--json"});
  EXPECT_EQ(fits.Json()["ids"].size(), 1u);
  EXPECT_EQ(RunQuantd({"run", DemoModel("f16"), "--token-ids", ids + ",2007"}).code, 2);
}

TEST(Run, BadValuesAreUsageErrorsThatNameTheField) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--top-p", "3"}, "top_p"},         {{"--temperature", "-1"}, "temperature"},
      {{"--token-ids", "99999"}, "99999"}, {{"--token-ids", "-1"}, "-1"},
      {{"--force-isa", "vax"}, "vax"},
  };
  for (const auto& [flags, message] : cases) {
    std::vector<std::string> args = {"run", DemoModel("f16")};
    args.insert(args.end(), flags.begin(), flags.end());
    const CliResult result = RunQuantd(args, "A prompt");
    EXPECT_EQ(result.code, 2) << message;
    EXPECT_THAT(result.err, HasSubstr(message));
  }
}

TEST(Run, AnEmptyPromptIsRefused) {
  const CliResult result = RunQuantd({"run", DemoModel("f16")}, "");
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("empty"));
}

/// Whether the process has a handler for the signal.
bool Catches(pid_t pid, int signal) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("SigCgt:", 0) != 0) continue;
    return (std::stoull(line.substr(7), nullptr, 16) >> (signal - 1) & 1) != 0;
  }
  return false;
}

TEST(Run, AnInterruptEndsTheGenerationCleanly) {
  const std::string model = TempPath("interrupt.gguf");
  ASSERT_EQ(RunQuantd({"synth", "--shape", "125m", "--format", "Q4_0", "--vocab", DemoModel("f16"),
                       "-o", model, "-q"})
                .code,
            0);
  // The slowest kernels on one thread: 2000 tokens would take minutes.
  CliCall call{{"run", model, "-p", "A", "-n", "2000", "--ignore-eos", "--json", "--threads", "1"}};
  call.environment = {{"QUANTD_FORCE_ISA", "reference"}};
  call.during = [](pid_t pid) {
    // Until the command is ready for it, which takes long on a busy machine; then on into the work.
    for (int i = 0; i < 6000 && !Catches(pid, SIGINT); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    kill(pid, SIGINT);
  };
  const CliResult result = RunQuantd(call);
  unlink(model.c_str());
  EXPECT_EQ(result.code, 4) << result.err;
  // Where the signal came during the load there is nothing to print.
  if (!result.out.empty()) {
    EXPECT_EQ(result.Json()["finish_reason"], "cancelled");
  }
}

TEST(RunChatTest, AModelWithoutATemplateIsRefused) {
  const CliResult result = RunQuantd({"run", DemoModel("Q8_0"), "--chat", "-q"}, "hello\n");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("tokenizer.chat_template: missing"));
  EXPECT_THAT(result.err, HasSubstr("--chat-template FILE"));
}

TEST(RunChatTest, EachLineIsAnsweredWithinTheConversation) {
  const std::vector<std::string> flags = {"-q", "--greedy", "-n", "6", "--threads", "1"};
  const auto run = [&](std::vector<std::string> args, const std::string& input) {
    args.insert(args.begin(), {"run", ChatModel()});
    args.insert(args.end(), flags.begin(), flags.end());
    return RunQuantd(std::move(args), input);
  };
  const CliResult chat = run({"--chat", "--system", "Be merry."}, "Speak!\n/reset\nSpeak!\n");
  ASSERT_EQ(chat.code, 0) << chat.err;
  const CliResult once =
      run({"--special", "--prompt", "<s>SYSTEM:\nBe merry.</s>USER:\nSpeak!</s>ROMEO:\n"}, "");
  ASSERT_EQ(once.code, 0) << once.err;
  EXPECT_EQ(chat.out, once.out + once.out);
}

}  // namespace
}  // namespace quantd
