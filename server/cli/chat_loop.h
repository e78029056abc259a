#ifndef QUANTD_SERVER_CLI_CHAT_LOOP_H_
#define QUANTD_SERVER_CLI_CHAT_LOOP_H_

#include <functional>
#include <string>

#include "runtime/chat/chat_template.h"
#include "server/cli/commands.h"
#include "server/cli/line_reader.h"

namespace CLI {
class App;
}

namespace quantd {

/// What a conversation begins with.
struct ChatFlags {
  std::string system;          ///< the system message; "" = none
  std::string variables_json;  ///< variables of the template; "" = none
};

void AddChatFlags(CLI::App* command, ChatFlags* flags);  ///< --system, --variables

/// For --help of the commands that chat: what can be typed.
inline constexpr char kChatHelp[] =
    "Each line is a message; the answer is printed as it comes. A line that ends in \\ goes on in\n"
    "the next one. /reset forgets the conversation, /help lists what can be typed, /exit or "
    "Ctrl-D\n"
    "ends; a line that begins with // says what follows the first slash. Ctrl-C stops the answer\n"
    "(what was said of it stays in the conversation). Without a terminal, lines are read from\n"
    "standard input, and the first error ends the command.";

/// An answer of the model.
struct ChatAnswer {
  /// kExitOk; kExitInterrupted: `text` is what came before the user stopped it; else the answer
  /// failed, and the error was told.
  int code = kExitOk;
  std::string text;
};

/// Answers a conversation, printing the text as it comes.
using ChatAnswerer = std::function<ChatAnswer(const Conversation& conversation)>;

/// Reads messages, lets them be answered and keeps the conversation, until the input ends or the
/// user does. Returns the exit code: for a person kExitOk, else that of the last answer.
int RunChatLoop(const ChatFlags& flags, LineReader& lines, const ChatAnswerer& answer);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_CHAT_LOOP_H_
