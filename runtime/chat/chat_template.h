#ifndef QUANTD_RUNTIME_CHAT_CHAT_TEMPLATE_H_
#define QUANTD_RUNTIME_CHAT_CHAT_TEMPLATE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "runtime/tokenizer/text_range.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

namespace jinja {
struct Program;
}  // namespace jinja

/// One turn of a conversation.
struct ChatMessage {
  std::string role;                    ///< 1 to 64 characters of A-Z a-z 0-9 _ -
  std::optional<std::string> content;  ///< may be absent beside tool calls
  std::string reasoning;               ///< what the model thought before it answered; "" = nothing
  std::string name;                    ///< of who speaks; "" = none
  std::string tool_call_id;            ///< of a tool's result; "" = none
  std::string tool_calls_json;         ///< an array; "" = none
};

/// What a chat template makes a prompt of. Texts are UTF-8.
struct Conversation {
  std::vector<ChatMessage> messages;  ///< at least one
  std::string tools_json;             ///< an array: what the model may call; "" = none
  std::string variables_json;         ///< an object: further variables; "" = none
  bool add_generation_prompt = true;  ///< end where the model's answer begins
};

/// A prompt as text. Whatever came from the conversation, and not from the template, lies in
/// `outside`: control tokens written there are plain text.
struct ChatPrompt {
  std::string text;
  std::vector<TextRange> outside;  ///< as EncodeOptions::plain
};

/// The ids of a prompt. `add_bos`: BOS goes first unless the template put it there.
/// `parse_outside`: control tokens in the conversation's own words count as such, too.
std::vector<int32_t> EncodeChat(const ChatPrompt& prompt, const Tokenizer& tokenizer, bool add_bos,
                                bool parse_outside);

/// What a chat template is made from, as model files have it.
struct ChatTemplateSource {
  std::string place;  ///< "FILE: FIELD" of the template, for errors
  /// Templates by name: "default", "tool_use" (taken when there are tools), and others.
  std::map<std::string, std::string> templates;
  /// Texts of special tokens, as the variables "bos_token", "eos_token", ...
  std::vector<std::pair<std::string, std::string>> tokens;
};

/// The way a model wants conversations written: a Jinja template that came with it, run in a
/// sandbox. Immutable, thread-safe.
class ChatTemplate {
 public:
  /// Errors: FAILED_PRECONDITION naming the place when there is no template by the name
  /// "default", or it cannot be parsed: the model can be served, but not for conversations.
  static absl::StatusOr<std::unique_ptr<const ChatTemplate>> Create(ChatTemplateSource source);
  ~ChatTemplate();
  ChatTemplate(const ChatTemplate&) = delete;
  ChatTemplate& operator=(const ChatTemplate&) = delete;

  /// Errors: INVALID_ARGUMENT "FIELD: what", the field as in Conversation ("messages[1].role"),
  /// also when the template refuses the conversation or fails on it; FAILED_PRECONDITION when
  /// there are tools and the template for them cannot be parsed. `now` is what the template takes
  /// for the time of day.
  absl::StatusOr<ChatPrompt> Render(const Conversation& conversation,
                                    absl::Time now = absl::Now()) const;

 private:
  explicit ChatTemplate(ChatTemplateSource source);
  absl::StatusOr<const jinja::Program*> Choose(const Conversation& conversation) const;

  const ChatTemplateSource source_;
  std::map<std::string, absl::StatusOr<std::unique_ptr<const jinja::Program>>> programs_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CHAT_CHAT_TEMPLATE_H_
