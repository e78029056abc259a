#include <memory>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "quantd/v1/inference.grpc.pb.h"
#include "server/cli/chat_loop.h"
#include "server/cli/interrupt.h"
#include "server/cli/output.h"
#include "server/cli/quantctl.h"
#include "server/cli/quantctl_request.h"
#include "server/cli/remote.h"

namespace quantd {
namespace {

constexpr char kCommand[] = "quantctl chat";

struct RemoteChatOptions {
  RequestFlags flags;
  ChatFlags chat;
  bool quiet = false;
  RemoteFlags remote;
};

void SetConversation(const Conversation& conversation, v1::ChatMessages* chat) {
  for (const ChatMessage& message : conversation.messages) {
    v1::ChatMessage* to = chat->add_messages();
    to->set_role(message.role);
    to->set_content(message.content.value_or(""));
  }
  chat->set_variables_json(conversation.variables_json);
}

/// Streams one answer. An interrupt is no error here: the call ends, the conversation does not.
ChatAnswer Ask(const RemoteChatOptions& options, const v1::GenerateRequest& request) {
  ChatAnswer answer;
  v1::Finished finished;
  bool interrupted = false;
  answer.code =
      CallRemote(kCommand, options.remote, [&](const auto& channel, grpc::ClientContext* context) {
        const auto reader = v1::Inference::NewStub(channel)->GenerateStream(context, request);
        v1::GenerateEvent event;
        while (reader->Read(&event)) {
          if (event.has_finished()) finished = event.finished();
          if (!event.has_delta()) continue;
          PrintModelText(event.delta().text());
          answer.text += event.delta().text();
        }
        const grpc::Status status = reader->Finish();
        interrupted = !status.ok() && InterruptScope::Interrupted();
        return interrupted ? grpc::Status::OK : status;
      });
  if (interrupted) answer.code = kExitInterrupted;
  if (answer.text.empty() || answer.text.back() != '\n') Print("\n");
  if (answer.code == kExitOk && !options.quiet) PrintSummary(kCommand, finished);
  return answer;
}

int Chat(const RemoteChatOptions& options) {
  const auto request = RequestOf(options.flags);
  if (!request.ok()) return Fail(kCommand, request.status());
  const std::unique_ptr<LineReader> lines = OpenLineReader(stdin, stdout);
  return RunChatLoop(options.chat, *lines, [&](const Conversation& conversation) {
    v1::GenerateRequest turn = *request;
    SetConversation(conversation, turn.mutable_chat());
    return Ask(options, turn);
  });
}

}  // namespace

void AddRemoteChat(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<RemoteChatOptions>();
  CLI::App* command = app.add_subcommand("chat", "Talk with a model in the terminal");
  AddModelFlag(command, &options->flags);
  AddChatFlags(command, &options->chat);
  AddEndFlags(command, &options->flags);
  AddSamplingFlags(command, &options->flags);
  command->add_flag("-q,--quiet", options->quiet,
                    "Do not tell on standard error what answers took");
  AddRemoteFlags(command, &options->remote, /*timeout=*/0);
  command->footer(absl::StrCat(
      kChatHelp,
      "\n\nThe model needs a chat template: 'quantctl models --json' tells in chat_error if it has "
      "none.\n"
      "\n"
      "Examples:\n"
      "  quantctl chat\n"
      "  quantctl chat --model qwen --system \"Answer briefly.\" --temperature 0.7\n"
      "  echo \"What is GGUF?\" | quantctl chat --quiet"));
  command->callback([=] { *run = [options] { return Chat(*options); }; });
}

}  // namespace quantd
