#include "server/cli/chat_loop.h"

#include <optional>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "server/cli/output.h"

namespace quantd {
namespace {

constexpr char kPrompt[] = "> ", kMorePrompt[] = ". ";

Conversation Begin(const ChatFlags& flags) {
  Conversation conversation;
  conversation.variables_json = flags.variables_json;
  if (!flags.system.empty()) {
    conversation.messages.push_back({.role = "system", .content = flags.system});
  }
  return conversation;
}

/// One message of the user: a line, with those that it is continued in.
std::optional<std::string> NextMessage(LineReader& lines) {
  std::optional<std::string> line = lines.Next(kPrompt);
  while (line.has_value() && absl::EndsWith(*line, "\\")) {
    const std::optional<std::string> more = lines.Next(kMorePrompt);
    line->back() = '\n';
    if (!more.has_value()) break;
    *line += *more;
  }
  return line;
}

enum class Command { kNone, kReset, kExit, kHandled };

/// What a line asks for that is no message.
Command ReadCommand(const std::string& line) {
  if (line.empty() || line[0] != '/' || absl::StartsWith(line, "//")) return Command::kNone;
  const absl::string_view word = absl::StripAsciiWhitespace(line);
  if (word == "/exit" || word == "/quit") return Command::kExit;
  if (word == "/reset") return Command::kReset;
  if (word != "/help") {
    absl::FPrintF(stderr, "'%s' is no command; to say it, begin with //\n", EscapeText(word));
  }
  absl::FPrintF(stderr,
                "/reset  forget the conversation\n"
                "/exit   leave (or Ctrl-D)\n"
                "Ctrl-C  stop the answer\n"
                "\\       at the end of a line: the message goes on in the next\n");
  return Command::kHandled;
}

/// Has the last message answered; one that got no answer is taken back.
int Answer(const ChatAnswerer& answer, Conversation* conversation) {
  ChatAnswer said = answer(*conversation);
  if (said.code != kExitOk && said.text.empty()) {
    conversation->messages.pop_back();
  } else {
    conversation->messages.push_back({.role = "assistant", .content = std::move(said.text)});
  }
  return said.code;
}

}  // namespace

void AddChatFlags(CLI::App* command, ChatFlags* flags) {
  command->add_option("--system", flags->system, "The system message, before all others")
      ->type_name("TEXT")
      ->group("Conversation");
  command
      ->add_option("--variables", flags->variables_json,
                   "Variables of the chat template, e.g. '{\"enable_thinking\": false}'")
      ->type_name("JSON")
      ->group("Conversation");
}

int RunChatLoop(const ChatFlags& flags, LineReader& lines, const ChatAnswerer& answer) {
  Conversation conversation = Begin(flags);
  int code = kExitOk;
  while (std::optional<std::string> message = NextMessage(lines)) {
    switch (ReadCommand(*message)) {
      case Command::kExit:
        return lines.interactive() ? static_cast<int>(kExitOk) : code;
      case Command::kReset:
        conversation = Begin(flags);
        continue;
      case Command::kHandled:
        continue;
      case Command::kNone:
        break;
    }
    if (absl::StartsWith(*message, "//")) message->erase(0, 1);
    if (absl::StripAsciiWhitespace(*message).empty()) continue;
    conversation.messages.push_back({.role = "user", .content = *std::move(message)});
    code = Answer(answer, &conversation);
    if (code != kExitOk && !lines.interactive()) return code;
  }
  return lines.interactive() ? static_cast<int>(kExitOk) : code;
}

}  // namespace quantd
