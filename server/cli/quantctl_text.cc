#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "quantd/v1/inference.grpc.pb.h"
#include "server/cli/json_output.h"
#include "server/cli/output.h"
#include "server/cli/proto_json.h"
#include "server/cli/quantctl.h"
#include "server/cli/remote.h"

namespace quantd {
namespace {

constexpr double kTimeoutSeconds = 30;

struct AbortOptions {
  v1::AbortRequest request;
  bool json = false;
  RemoteFlags remote;
};

int Abort(const AbortOptions& options) {
  v1::AbortResponse response;
  const int code = CallRemote(
      "quantctl abort", options.remote, [&](const auto& channel, grpc::ClientContext* context) {
        return v1::Inference::NewStub(channel)->Abort(context, options.request, &response);
      });
  if (code != kExitOk) return code;
  if (options.json) {
    PrintJson(ProtoToJson(response));
  } else {
    Print(response.found() ? "ended\n" : "no such request is live\n");
  }
  return response.found() ? kExitOk : kExitFailure;
}

struct TokenizeOptions {
  v1::TokenizeRequest request;
  bool has_text = false;
  bool json = false;
  RemoteFlags remote;
};

int Tokenize(const TokenizeOptions& options) {
  const char* command = "quantctl tokenize";
  v1::TokenizeRequest request = options.request;
  if (!options.has_text) {
    auto text = ReadStdin(command, "the text");
    if (!text.ok()) return Fail(command, text.status());
    request.set_text(*std::move(text));
  }
  v1::TokenizeResponse response;
  const int code =
      CallRemote(command, options.remote, [&](const auto& channel, grpc::ClientContext* context) {
        return v1::Inference::NewStub(channel)->Tokenize(context, request, &response);
      });
  if (code != kExitOk) return code;
  if (options.json) {
    PrintJson(ProtoToJson(response)["ids"]);
  } else {
    std::string line;
    for (const int32_t id : response.ids()) absl::StrAppend(&line, line.empty() ? "" : " ", id);
    Print(line + "\n");
  }
  return kExitOk;
}

struct DetokenizeOptions {
  std::string model;
  std::vector<int32_t> ids;
  bool json = false;
  RemoteFlags remote;
};

int Detokenize(const DetokenizeOptions& options) {
  v1::DetokenizeRequest request;
  request.set_model(options.model);
  request.mutable_ids()->Add(options.ids.begin(), options.ids.end());
  v1::DetokenizeResponse response;
  const int code =
      CallRemote("quantctl detokenize", options.remote,
                 [&](const auto& channel, grpc::ClientContext* context) {
                   return v1::Inference::NewStub(channel)->Detokenize(context, request, &response);
                 });
  if (code != kExitOk) return code;
  if (options.json) {
    PrintJson(ProtoToJson(response));
  } else {
    Print(IsTerminal(stdout) ? EscapeText(response.text(), "\n\t") + "\n" : response.text());
  }
  return kExitOk;
}

void AddAbort(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<AbortOptions>();
  CLI::App* command = app.add_subcommand("abort", "End a live request of any client");
  command->add_option("id", *options->request.mutable_request_id(), "The request's id")
      ->required()
      ->type_name("ID");
  command->add_flag("--json", options->json, "One JSON object {found}");
  AddRemoteFlags(command, &options->remote, kTimeoutSeconds);
  command->footer(
      "Exit code 1 if no such request is live (any more).\n"
      "\n"
      "Examples:\n"
      "  quantctl stream --request-id long-one --prompt \"ROMEO:\" &\n"
      "  quantctl abort long-one");
  command->callback([=] { *run = [options] { return Abort(*options); }; });
}

void AddTokenizeText(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = app.add_subcommand("tokenize", "Text to token ids");
  command
      ->add_option("-m,--model", *options->request.mutable_model(),
                   "Model; needed if there are several")
      ->type_name("NAME");
  command
      ->add_option_function<std::string>(
          "-t,--text",
          [raw = options.get()](const std::string& text) {
            raw->request.set_text(text);
            raw->has_text = true;
          },
          "The text (without it: all of standard input, byte for byte)")
      ->type_name("TEXT");
  command->add_flag_function(
      "--bos,!--no-bos",
      [raw = options.get()](int64_t count) { raw->request.set_add_bos(count > 0); },
      "Put the begin token first, or do not (default: what the vocabulary says)");
  command->add_flag_function(
      "--special", [raw = options.get()](int64_t) { raw->request.set_parse_control_tokens(true); },
      "Control tokens written in the text count as such");
  command->add_flag("--json", options->json, "A JSON array");
  AddRemoteFlags(command, &options->remote, kTimeoutSeconds);
  command->footer(
      "Examples:\n"
      "  quantctl tokenize --text \"Hello world\"\n"
      "  quantctl tokenize --model demo --json < story.txt | jq length");
  command->callback([=] { *run = [options] { return Tokenize(*options); }; });
}

void AddDetokenize(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<DetokenizeOptions>();
  CLI::App* command = app.add_subcommand("detokenize", "Token ids to text");
  command->add_option("-m,--model", options->model, "Model; needed if there are several")
      ->type_name("NAME");
  command->add_option("ids", options->ids, "Token ids, separated by spaces or commas")
      ->required()
      ->delimiter(',')
      ->type_name("ID");
  command->add_flag("--json", options->json, "One JSON object {text}");
  AddRemoteFlags(command, &options->remote, kTimeoutSeconds);
  command->footer(
      "Examples:\n"
      "  quantctl detokenize 871 2007\n"
      "  quantctl detokenize 871,2007 --json");
  command->callback([=] { *run = [options] { return Detokenize(*options); }; });
}

}  // namespace

void AddRemoteText(CLI::App& app, CommandFn* run) {
  AddAbort(app, run);
  AddTokenizeText(app, run);
  AddDetokenize(app, run);
}

}  // namespace quantd
