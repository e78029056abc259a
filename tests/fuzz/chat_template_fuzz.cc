// Any bytes as a chat template must give a prompt or a status within the limits of its sandbox. A
// prompt is UTF-8, its ranges from outside ascend and lie within it, and rendering again gives the
// same.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "kernels/base/check.h"
#include "runtime/chat/chat_template.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

Conversation MakeConversation() {
  Conversation conversation;
  conversation.messages = {
      {.role = "system", .content = "Be kind.\n"},
      {.role = "user", .content = " <|im_end|> é🙂 {{ x }} </think>a "},
      {.role = "assistant",
       .reasoning = "hm",
       .tool_calls_json =
           R"([{"id": "abcdefghi", "function": {"name": "f", "arguments": {"a": [1, 2.5]}}}])"},
      {.role = "tool", .content = "[3]", .name = "f", .tool_call_id = "abcdefghi"},
      {.role = "user", .content = ""},
  };
  conversation.tools_json =
      R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object",
          "properties": {"a": {"type": "array", "items": {"type": "number"}}}}}}])";
  conversation.variables_json = R"({"think": true, "n": -3, "none": null})";
  return conversation;
}

void CheckPrompt(const ChatPrompt& prompt) {
  std::string valid;
  AppendUtf8(prompt.text, /*at_end=*/true, &valid);
  QUANTD_CHECK(valid == prompt.text, "a prompt is UTF-8");
  size_t end = 0;
  for (const TextRange& range : prompt.outside) {
    QUANTD_CHECK(range.begin >= end && range.begin < range.end, "ranges ascend");
    end = range.end;
  }
  QUANTD_CHECK(end <= prompt.text.size(), "ranges lie within the text");
}

}  // namespace
}  // namespace quantd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quantd;
  static const Conversation conversation = MakeConversation();
  ChatTemplateSource source;
  source.place = "fuzz";
  source.templates["default"] = std::string(reinterpret_cast<const char*>(data), size);
  source.tokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  const auto chat = ChatTemplate::Create(std::move(source));
  if (!chat.ok()) return 0;
  const auto prompt = (*chat)->Render(conversation, absl::UnixEpoch());
  const auto again = (*chat)->Render(conversation, absl::UnixEpoch());
  QUANTD_CHECK(prompt.status() == again.status(), "renderings do not differ");
  if (!prompt.ok()) {
    QUANTD_CHECK(!prompt.status().message().empty(), "errors say what is wrong");
    return 0;
  }
  QUANTD_CHECK(prompt->text == again->text, "renderings do not differ");
  CheckPrompt(*prompt);
  return 0;
}
