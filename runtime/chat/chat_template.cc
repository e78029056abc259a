#include "runtime/chat/chat_template.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/interpreter.h"
#include "runtime/chat/json.h"
#include "runtime/chat/parser.h"
#include "runtime/chat/value.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

using jinja::Kind;
using jinja::Value;
using Variables = std::vector<std::pair<std::string, Value>>;

constexpr char kDefault[] = "default", kToolUse[] = "tool_use";
constexpr size_t kMaxRole = 64;

absl::Status FieldError(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

// Templates write control tokens around a role, or make them of it ("<|" + role + "|>"), so that
// it must not hold any itself.
absl::Status CheckRole(const std::string& field, const std::string& role) {
  const bool valid = !role.empty() && role.size() <= kMaxRole &&
                     std::all_of(role.begin(), role.end(), [](unsigned char c) {
                       return absl::ascii_isalnum(c) || c == '_' || c == '-';
                     });
  if (valid) return absl::OkStatus();
  return FieldError(absl::StrCat(field, ".role"), "must be 1 to 64 characters of A-Z a-z 0-9 _ -");
}

absl::StatusOr<Value> OutsideText(const std::string& field, const std::string& text) {
  if (!IsUtf8(text)) return FieldError(field, "is not valid UTF-8");
  return jinja::MakeOutsideString(text);
}

absl::StatusOr<Value> OutsideJson(const std::string& field, const std::string& text, Kind wanted) {
  absl::StatusOr<Value> value = jinja::ParseJson(text);
  if (!value.ok()) return FieldError(field, value.status().message());
  if (value->is(wanted)) return value;
  return FieldError(field,
                    wanted == Kind::kList ? "must be a JSON array" : "must be a JSON object");
}

// A message as the dict that templates know, with the keys of the usual chat APIs.
absl::StatusOr<Value> MessageValue(const std::string& field, const ChatMessage& message) {
  QUANTD_RETURN_IF_ERROR(CheckRole(field, message.role));
  jinja::DictData dict;
  dict.Set(jinja::MakeString("role"), jinja::MakeString(message.role));
  if (!message.content.has_value() && message.tool_calls_json.empty()) {
    return FieldError(absl::StrCat(field, ".content"), "missing");
  }
  Value content = Value::None();
  if (message.content.has_value()) {
    QUANTD_ASSIGN_OR_RETURN(content,
                            OutsideText(absl::StrCat(field, ".content"), *message.content));
  }
  dict.Set(jinja::MakeString("content"), std::move(content));
  struct Optional {
    const char *field, *key;
    const std::string& text;
  };
  const Optional texts[] = {{"reasoning", "reasoning_content", message.reasoning},
                            {"name", "name", message.name},
                            {"tool_call_id", "tool_call_id", message.tool_call_id}};
  for (const Optional& text : texts) {
    if (text.text.empty()) continue;
    QUANTD_ASSIGN_OR_RETURN(Value value,
                            OutsideText(absl::StrCat(field, ".", text.field), text.text));
    dict.Set(jinja::MakeString(text.key), std::move(value));
  }
  if (!message.tool_calls_json.empty()) {
    QUANTD_ASSIGN_OR_RETURN(Value calls, OutsideJson(absl::StrCat(field, ".tool_calls_json"),
                                                     message.tool_calls_json, Kind::kList));
    dict.Set(jinja::MakeString("tool_calls"), std::move(calls));
  }
  return jinja::MakeDict(nullptr, std::move(dict));
}

absl::StatusOr<Value> MessagesValue(const Conversation& conversation) {
  if (conversation.messages.empty()) return FieldError("messages", "at least one is needed");
  std::vector<Value> messages;
  for (size_t i = 0; i < conversation.messages.size(); ++i) {
    QUANTD_ASSIGN_OR_RETURN(
        Value message, MessageValue(absl::StrCat("messages[", i, "]"), conversation.messages[i]));
    messages.push_back(std::move(message));
  }
  return jinja::MakeList(nullptr, std::move(messages));
}

// The variables of a template, as transformers sets them; those of the request come last and may
// replace others.
absl::StatusOr<Variables> MakeVariables(const ChatTemplateSource& source,
                                        const Conversation& conversation) {
  Variables variables;
  for (const auto& [name, text] : source.tokens) {
    variables.emplace_back(name, jinja::MakeString(text));
  }
  QUANTD_ASSIGN_OR_RETURN(Value messages, MessagesValue(conversation));
  variables.emplace_back("messages", std::move(messages));
  Value tools = Value::None();
  if (!conversation.tools_json.empty()) {
    QUANTD_ASSIGN_OR_RETURN(tools, OutsideJson("tools_json", conversation.tools_json, Kind::kList));
  }
  variables.emplace_back("tools", std::move(tools));
  variables.emplace_back("documents", Value::None());
  variables.emplace_back("add_generation_prompt", Value::Bool(conversation.add_generation_prompt));
  if (conversation.variables_json.empty()) return variables;
  QUANTD_ASSIGN_OR_RETURN(const Value further,
                          OutsideJson("variables_json", conversation.variables_json, Kind::kDict));
  for (const auto& [name, value] : further.dict().entries) {
    if (name.bytes() == "messages") {
      return FieldError("variables_json", "must not have messages; they have a field of their own");
    }
    variables.emplace_back(name.bytes(), value);
  }
  return variables;
}

// A long conversation may take more of everything, in proportion.
jinja::Limits LimitsFor(const Conversation& conversation) {
  size_t texts = 0, json = conversation.tools_json.size() + conversation.variables_json.size();
  for (const ChatMessage& message : conversation.messages) {
    texts += message.content.has_value() ? message.content->size() : 0;
    texts += message.reasoning.size() + message.name.size() + message.tool_call_id.size();
    json += message.tool_calls_json.size();
  }
  jinja::Limits limits;
  limits.steps += static_cast<int64_t>(2000 * conversation.messages.size() + texts + 100 * json);
  limits.memory_bytes += 16 * (texts + json);
  limits.output_bytes += 8 * (texts + json);
  return limits;
}

}  // namespace

std::vector<int32_t> EncodeChat(const ChatPrompt& prompt, const Tokenizer& tokenizer, bool add_bos,
                                bool parse_outside) {
  EncodeOptions options;
  options.parse_control = true;
  if (!parse_outside) options.plain = prompt.outside;
  std::vector<int32_t> ids = tokenizer.Encode(prompt.text, options);
  const std::optional<int32_t> bos = tokenizer.bos();
  if (add_bos && bos.has_value() && (ids.empty() || ids[0] != *bos)) ids.insert(ids.begin(), *bos);
  return ids;
}

ChatTemplate::ChatTemplate(ChatTemplateSource source) : source_(std::move(source)) {
  for (const auto& [name, text] : source_.templates) {
    if (IsUtf8(text)) {
      programs_.emplace(name, jinja::ParseTemplate(text));
    } else {
      programs_.emplace(name, absl::InvalidArgumentError("is not valid UTF-8"));
    }
  }
}

ChatTemplate::~ChatTemplate() = default;

absl::StatusOr<std::unique_ptr<const ChatTemplate>> ChatTemplate::Create(
    ChatTemplateSource source) {
  std::unique_ptr<const ChatTemplate> result(new ChatTemplate(std::move(source)));
  QUANTD_RETURN_IF_ERROR(result->Choose(Conversation()).status());
  return result;
}

absl::StatusOr<const jinja::Program*> ChatTemplate::Choose(const Conversation& conversation) const {
  auto chosen = programs_.find(kDefault);
  if (!conversation.tools_json.empty()) {
    const auto tool_use = programs_.find(kToolUse);
    if (tool_use != programs_.end()) chosen = tool_use;
  }
  if (chosen == programs_.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat(source_.place, ": missing; the model has no chat template"));
  }
  if (!chosen->second.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat(source_.place, ": the chat template '", chosen->first,
                     "' cannot be used: ", chosen->second.status().message()));
  }
  return chosen->second->get();
}

absl::StatusOr<ChatPrompt> ChatTemplate::Render(const Conversation& conversation,
                                                absl::Time now) const {
  QUANTD_ASSIGN_OR_RETURN(const Variables variables, MakeVariables(source_, conversation));
  QUANTD_ASSIGN_OR_RETURN(const jinja::Program* program, Choose(conversation));
  absl::StatusOr<jinja::Text> text =
      jinja::Render(*program, variables, LimitsFor(conversation), now);
  if (text.ok()) return ChatPrompt{std::move(text->bytes), std::move(text->outside)};
  return FieldError("messages",
                    absl::StrCat("the model's chat template ",
                                 jinja::IsRaised(text.status()) ? "refuses" : "fails on",
                                 " them: ", text.status().message()));
}

}  // namespace quantd
