#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "quantd/v1/inference.grpc.pb.h"
#include "server/cli/json_output.h"
#include "server/cli/output.h"
#include "server/cli/proto_json.h"
#include "server/cli/quantctl.h"
#include "server/cli/quantctl_request.h"
#include "server/cli/remote.h"

namespace quantd {
namespace {

struct GenerateOptions {
  std::string command;  ///< "quantctl generate" or "quantctl stream"
  std::string prompt;
  bool has_prompt = false;
  std::vector<int32_t> token_ids;
  bool json = false;
  RequestFlags flags;  ///< the prompt comes later
  RemoteFlags remote;
};

void AddPromptFlags(CLI::App* command, GenerateOptions* options) {
  v1::GenerateRequest* request = &options->flags.request;
  AddModelFlag(command, &options->flags);
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

void AddServingFlags(CLI::App* command, GenerateOptions* options) {
  v1::GenerateRequest* request = &options->flags.request;
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

absl::StatusOr<v1::GenerateRequest> MakeRequest(const GenerateOptions& options) {
  QUANTD_ASSIGN_OR_RETURN(v1::GenerateRequest request, RequestOf(options.flags));
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
  PrintModelText(response.output().text());
  EndModelText(response.output().text());
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
            PrintModelText(event.delta().text());
            text += event.delta().text();
          }
          if (event.has_finished()) finished = event.finished();
        }
        return reader->Finish();
      });
  if (options.json) return code;
  EndModelText(text);
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
  AddEndFlags(command, &options->flags);
  AddServingFlags(command, options.get());
  AddSamplingFlags(command, &options->flags);
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
