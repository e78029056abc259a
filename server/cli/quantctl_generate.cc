#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/base/status_macros.h"
#include "quantd/v1/inference.grpc.pb.h"
#include "server/cli/json_output.h"
#include "server/cli/output.h"
#include "server/cli/proto_json.h"
#include "server/cli/quantctl.h"
#include "server/cli/remote.h"

namespace quantd {
namespace {

struct GenerateOptions {
  std::string command;  ///< "quantctl generate" or "quantctl stream"
  std::string prompt;
  bool has_prompt = false;
  std::vector<int32_t> token_ids;
  std::vector<std::string> logit_bias;  ///< ID=BIAS
  bool json = false;
  v1::GenerateRequest request;  ///< flags set their fields; the prompt comes later
  RemoteFlags remote;
};

/// A flag that sets an optional field of a message, and leaves it absent when not given.
template <typename T>
CLI::Option* AddField(CLI::App* command, const char* flag, std::function<void(const T&)> set,
                      const char* type, const char* help) {
  return command->add_option_function<T>(flag, std::move(set), help)->type_name(type);
}

void AddPromptFlags(CLI::App* command, GenerateOptions* options) {
  v1::GenerateRequest* request = &options->request;
  command->add_option("-m,--model", *request->mutable_model(), "Model; needed if there are several")
      ->type_name("NAME");
  CLI::Option* prompt = AddField<std::string>(
      command, "-p,--prompt",
      [options](const std::string& text) {
        options->prompt = text;
        options->has_prompt = true;
      },
      "TEXT", "The text to continue (without --prompt and --token-ids: all of standard input)");
  command
      ->add_option("--token-ids", options->token_ids,
                   "The prompt as token ids, comma-separated; nothing is added to them")
      ->type_name("ID,ID,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->excludes(prompt);
  command->add_flag_function(
      "--bos,!--no-bos", [request](int64_t count) { request->set_add_bos(count > 0); },
      "Put the begin token first, or do not (default: what the vocabulary says)");
  command->add_flag_function(
      "--special", [request](int64_t) { request->set_parse_control_tokens(true); },
      "Control tokens written in the prompt (<s>, <|im_end|>) count as such");
}

void AddEndFlags(CLI::App* command, GenerateOptions* options) {
  v1::GenerateRequest* request = &options->request;
  AddField<int32_t>(
      command, "-n,--max-tokens", [request](const int32_t& n) { request->set_max_tokens(n); }, "N",
      "Tokens to generate at most (default: up to the model's context)");
  AddField<int32_t>(
      command, "--min-tokens", [request](const int32_t& n) { request->set_min_tokens(n); }, "N",
      "Do not stop before this many tokens");
  AddField<std::vector<std::string>>(
      command, "--stop",
      [request](const std::vector<std::string>& texts) {
        request->mutable_stop()->Add(texts.begin(), texts.end());
      },
      "TEXT", "End before this text, which is not printed; may be given several times")
      ->allow_extra_args(false);
  AddField<std::vector<int32_t>>(
      command, "--stop-ids",
      [request](const std::vector<int32_t>& ids) {
        request->mutable_stop_ids()->Add(ids.begin(), ids.end());
      },
      "ID,ID,...", "End at these tokens")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_flag_function(
      "--ignore-eos", [request](int64_t) { request->set_ignore_eos(true); },
      "Go on after the vocabulary's end-of-text tokens");
}

void AddSamplingFlags(CLI::App* command, GenerateOptions* options) {
  v1::SamplingParams* sampling = options->request.mutable_sampling();
  const auto add = [command](const char* flag, std::function<void(const float&)> set,
                             const char* help) {
    return AddField<float>(command, flag, std::move(set), "X", help)->group("Sampling");
  };
  CLI::Option* greedy = command->add_flag_function(
      "--greedy", [sampling](int64_t) { sampling->set_temperature(0); },
      "Always take the most likely token (same as --temperature 0)");
  greedy->group("Sampling");
  add(
      "--temperature", [sampling](const float& x) { sampling->set_temperature(x); },
      "Divides the logits; 0 = greedy (default 1)")
      ->excludes(greedy);
  AddField<int32_t>(
      command, "--top-k", [sampling](const int32_t& k) { sampling->set_top_k(k); }, "K",
      "Draw from the K most likely tokens; 0 = all")
      ->group("Sampling");
  add(
      "--top-p", [sampling](const float& x) { sampling->set_top_p(x); },
      "Draw from the smallest set of this probability, (0, 1]");
  add(
      "--min-p", [sampling](const float& x) { sampling->set_min_p(x); },
      "Drop tokens below this share of the best one's, [0, 1]");
  add(
      "--repetition-penalty", [sampling](const float& x) { sampling->set_repetition_penalty(x); },
      "Divides the logits of tokens that were in prompt or output; 1 = off");
  add(
      "--frequency-penalty", [sampling](const float& x) { sampling->set_frequency_penalty(x); },
      "Subtracted from a logit for each time the token was generated, [-2, 2]");
  add(
      "--presence-penalty", [sampling](const float& x) { sampling->set_presence_penalty(x); },
      "Subtracted once from the logit of a generated token, [-2, 2]");
  AddField<uint64_t>(
      command, "--seed", [sampling](const uint64_t& seed) { sampling->set_seed(seed); }, "N",
      "Makes the draw repeatable")
      ->group("Sampling");
  command->add_option("--logit-bias", options->logit_bias, "Added to a token's logit, [-100, 100]")
      ->type_name("ID=X")
      ->allow_extra_args(false)
      ->group("Sampling");
}

void AddServingFlags(CLI::App* command, GenerateOptions* options) {
  v1::GenerateRequest* request = &options->request;
  command->add_option("--request-id", *request->mutable_request_id(), "Name for 'quantctl abort'")
      ->type_name("ID");
  command
      ->add_option("--cache-salt", *request->mutable_cache_salt(),
                   "Share cached prompts only with requests of this salt")
      ->type_name("TEXT");
  AddField<int32_t>(
      command, "--priority", [request](const int32_t& n) { request->set_priority(n); }, "N",
      "Lower numbers leave the queue first (default 0)");
  CLI::Option* json = command->add_flag("--json", options->json,
                                        options->command == "quantctl stream"
                                            ? "Every event as one line of JSON"
                                            : "One JSON object {prompt_ids, ids, text, ...}");
  AddField<int32_t>(
      command, "--logprobs", [request](const int32_t& n) { request->set_logprobs(n); }, "N",
      "With --json: log probabilities of the chosen token and the N best")
      ->needs(json);
  command
      ->add_flag_function(
          "--logits", [request](int64_t) { request->set_return_prompt_logits(true); },
          "With --json: logits after the prompt, one for each vocabulary entry")
      ->needs(json);
}

absl::Status ReadLogitBias(const GenerateOptions& options, v1::SamplingParams* sampling) {
  for (const std::string& entry : options.logit_bias) {
    const size_t equals = entry.find('=');
    int32_t id = 0;
    float bias = 0;
    if (equals == std::string::npos || !CLI::detail::lexical_cast(entry.substr(0, equals), id) ||
        !CLI::detail::lexical_cast(entry.substr(equals + 1), bias)) {
      return absl::InvalidArgumentError(absl::StrCat("--logit-bias: '", entry, "' is not ID=X"));
    }
    (*sampling->mutable_logit_bias())[id] = bias;
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::GenerateRequest> MakeRequest(const GenerateOptions& options) {
  v1::GenerateRequest request = options.request;
  QUANTD_RETURN_IF_ERROR(ReadLogitBias(options, request.mutable_sampling()));
  if (!options.token_ids.empty()) {
    request.mutable_token_ids()->mutable_ids()->Add(options.token_ids.begin(),
                                                    options.token_ids.end());
  } else if (options.has_prompt) {
    request.set_text(options.prompt);
  } else {
    QUANTD_ASSIGN_OR_RETURN(*request.mutable_text(), ReadStdin(options.command, "the prompt"));
  }
  return request;
}

/// "STOP" as "stop".
std::string ReasonName(const v1::Finished& finished) {
  return absl::AsciiStrToLower(ProtoToJson(finished)["reason"].get<std::string>());
}

Json ResponseJson(const v1::GenerateRequest& request, const v1::GenerateResponse& response) {
  const v1::Finished& finished = response.finished();
  Json json = {{"request_id", response.prompt().request_id()},
               {"model", response.prompt().model()},
               {"prompt_ids", response.prompt().token_ids()},
               {"ids", response.output().token_ids()},
               {"text", response.output().text()},
               {"finish_reason", ReasonName(finished)}};
  if (!finished.matched_stop().empty()) json["matched_stop"] = finished.matched_stop();
  if (finished.has_matched_stop_id()) json["matched_stop_id"] = finished.matched_stop_id();
  json["usage"] = ProtoToJson(finished.usage());
  json["timings"] = ProtoToJson(finished.timings());
  if (request.has_logprobs()) json["logprobs"] = ProtoToJson(response.output())["logprobs"];
  if (request.return_prompt_logits()) {
    json["logits_after_prompt"] = ProtoToJson(finished)["prompt_logits"];
  }
  return json;
}

double Rate(int tokens, double seconds) { return seconds > 0 ? tokens / seconds : 0; }

void PrintSummary(const std::string& command, const v1::Finished& finished) {
  const v1::Usage& usage = finished.usage();
  const v1::Timings& timings = finished.timings();
  absl::FPrintF(
      stderr,
      "%s: prompt %d tokens (%d cached), first token after %s; %d tokens, %s tokens/s; ended by "
      "%s\n",
      command, usage.prompt_tokens(), usage.cached_prompt_tokens(),
      FormatSeconds(absl::Seconds(timings.time_to_first_token_seconds())),
      usage.completion_tokens(),
      FormatNumber(Rate(std::max(usage.completion_tokens() - 1, 0), timings.decode_seconds())),
      ReasonName(finished));
}

/// Prints text of a model so that it cannot steer a terminal.
void PrintText(const std::string& text) {
  if (text.empty()) return;
  Print(IsTerminal(stdout) ? EscapeText(text, "\n\t") : text);
  std::fflush(stdout);
}

void EndLine(const std::string& text) {
  if (IsTerminal(stdout) && (text.empty() || text.back() != '\n')) Print("\n");
}

int Generate(const GenerateOptions& options) {
  const auto request = MakeRequest(options);
  if (!request.ok()) return Fail(options.command, request.status());
  v1::GenerateResponse response;
  const int code = CallRemote(
      options.command, options.remote, [&](const auto& channel, grpc::ClientContext* context) {
        return v1::Inference::NewStub(channel)->Generate(context, *request, &response);
      });
  if (code != kExitOk) return code;
  if (options.json) {
    PrintJson(ResponseJson(*request, response));
    return kExitOk;
  }
  PrintText(response.output().text());
  EndLine(response.output().text());
  PrintSummary(options.command, response.finished());
  return kExitOk;
}

int Stream(const GenerateOptions& options) {
  const auto request = MakeRequest(options);
  if (!request.ok()) return Fail(options.command, request.status());
  std::string text;
  v1::Finished finished;
  const int code = CallRemote(
      options.command, options.remote, [&](const auto& channel, grpc::ClientContext* context) {
        const auto reader = v1::Inference::NewStub(channel)->GenerateStream(context, *request);
        v1::GenerateEvent event;
        while (reader->Read(&event)) {
          if (options.json) {
            PrintJson(ProtoToJson(event));
            std::fflush(stdout);
          } else if (event.has_delta()) {
            PrintText(event.delta().text());
            text += event.delta().text();
          }
          if (event.has_finished()) finished = event.finished();
        }
        return reader->Finish();
      });
  if (options.json) return code;
  EndLine(text);
  if (code == kExitOk) PrintSummary(options.command, finished);
  return code;
}

using Action = int (*)(const GenerateOptions&);

void AddCommand(CLI::App& app, CommandFn* run, const char* name, const char* help,
                const char* footer, Action action) {
  auto options = std::make_shared<GenerateOptions>();
  options->command = absl::StrCat("quantctl ", name);
  CLI::App* command = app.add_subcommand(name, help);
  AddPromptFlags(command, options.get());
  AddEndFlags(command, options.get());
  AddServingFlags(command, options.get());
  AddSamplingFlags(command, options.get());
  AddRemoteFlags(command, &options->remote, /*timeout=*/0);
  command->footer(footer);
  command->callback([=] { *run = [options, action] { return action(*options); }; });
}

}  // namespace

void AddRemoteGenerate(CLI::App& app, CommandFn* run) {
  AddCommand(app, run, "generate", "Generate text and print it when it is complete",
             "Examples:\n"
             "  quantctl generate --prompt \"ROMEO:\" --max-tokens 40 --temperature 0.8 --seed 7\n"
             "  quantctl generate --greedy --stop \"\\n\" < question.txt\n"
             "  quantctl generate --token-ids 871,2007 --greedy -n 16 --json | jq .ids",
             Generate);
  AddCommand(app, run, "stream", "Generate text and print it as it comes",
             "Ctrl-C cancels the request on the server too. What it took is told on standard "
             "error.\n"
             "\n"
             "Examples:\n"
             "  quantctl stream --prompt \"Once upon a time\" --max-tokens 100\n"
             "  quantctl stream --model demo --prompt \"ROMEO:\" --greedy --timeout 10\n"
             "  quantctl stream --prompt \"ROMEO:\" --json | jq -r '.delta.text // empty'",
             Stream);
}

}  // namespace quantd
