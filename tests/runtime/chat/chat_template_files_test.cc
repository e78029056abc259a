#include "runtime/chat/chat_template_files.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/tokenizer/vocab_builder.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;

std::string Say(const ChatTemplate& chat, const std::string& tools = "") {
  Conversation conversation;
  conversation.messages.push_back({"user", "hi"});
  conversation.tools_json = tools;
  const auto prompt = chat.Render(conversation);
  return prompt.ok() ? prompt->text : prompt.status().ToString();
}

std::string StringKey(const std::string& key, const std::string& value) {
  return RawKey(key, 8, RawString(value));
}

/// What the template of a file says, or the error.
std::string SayGguf(const VocabBuilder& vocab, const std::string& tools = "") {
  const std::string bytes = vocab.Bytes();
  const auto file = GgufFile::Parse(
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()), "m.gguf");
  if (!file.ok()) return file.status().ToString();
  const auto chat = ReadChatTemplate(**file);
  return chat.ok() ? Say(**chat, tools) : chat.status().ToString();
}

TEST(ChatTemplateFilesTest, GgufHasTemplateAndTokens) {
  VocabBuilder vocab = LlamaVocab({"a"});
  vocab.more_keys.push_back(StringKey(
      "tokenizer.chat_template", "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ x }}"));
  EXPECT_EQ(SayGguf(vocab), "<s>hi</s>");
}

TEST(ChatTemplateFilesTest, AFileMayReplaceTheTemplateOfAGguf) {
  VocabBuilder vocab = LlamaVocab({"a"});
  vocab.more_keys.push_back(StringKey("tokenizer.chat_template", "own"));
  const std::string bytes = vocab.Bytes();
  const auto file = GgufFile::Parse(
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()), "m.gguf");
  ASSERT_TRUE(file.ok()) << file.status();
  const TemporaryFolder folder;
  const std::string path = folder.Write("x.jinja", "{{ bos_token }}other");
  const auto chat = ReadChatTemplate(**file, path);
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(Say(**chat), "<s>other");
  EXPECT_TRUE(absl::IsNotFound(ReadChatTemplate(**file, path + ".none").status()));
}

TEST(ChatTemplateFilesTest, GgufNamesFurtherTemplates) {
  VocabBuilder vocab = LlamaVocab({"a"});
  vocab.more_keys.push_back(StringKey("tokenizer.chat_template", "plain"));
  vocab.more_keys.push_back(StringKey("tokenizer.chat_template.tool_use", "with tools"));
  vocab.more_keys.push_back(RawKey("tokenizer.chat_templates", 9,
                                   RawArray(8, 2, RawString("tool_use") + RawString("absent"))));
  EXPECT_EQ(SayGguf(vocab), "plain");
  EXPECT_EQ(SayGguf(vocab, "[{}]"), "with tools");
}

TEST(ChatTemplateFilesTest, GgufErrorsNameTheKey) {
  VocabBuilder vocab = LlamaVocab({"a"});
  EXPECT_THAT(SayGguf(vocab), HasSubstr("FAILED_PRECONDITION: m.gguf: tokenizer.chat_template: "
                                        "missing"));
  vocab.more_keys.push_back(RawKey("tokenizer.chat_template", 4, Raw<uint32_t>(1)));
  EXPECT_THAT(SayGguf(vocab), HasSubstr("DATA_LOSS: m.gguf: tokenizer.chat_template"));
  vocab.more_keys.back() = StringKey("tokenizer.chat_template", "x");
  vocab.SetUint("padding_token_id", 99999);
  EXPECT_THAT(SayGguf(vocab), HasSubstr("DATA_LOSS: m.gguf: tokenizer.ggml.padding_token_id"));
  vocab.more_keys.pop_back();
  vocab.more_keys.push_back(
      RawKey("tokenizer.chat_templates", 9, RawArray(4, 1, Raw<uint32_t>(1))));
  EXPECT_THAT(SayGguf(vocab), HasSubstr("DATA_LOSS: m.gguf: tokenizer.chat_templates"));
}

class DirectoryTest : public ::testing::Test {
 protected:
  std::string SayFolder(const std::string& tools = "") {
    const auto chat = ReadChatTemplate(folder_.path());
    return chat.ok() ? Say(**chat, tools) : chat.status().ToString();
  }
  TemporaryFolder folder_;
};

TEST_F(DirectoryTest, ConfigHasTemplateAndTokens) {
  folder_.Write("tokenizer_config.json",
                R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>",
                    "pad_token": null, "add_bos_token": true,
                    "chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"})");
  EXPECT_EQ(SayFolder(), "<s>hi</s>");
}

TEST_F(DirectoryTest, ConfigMayHaveAListOfTemplates) {
  folder_.Write("tokenizer_config.json",
                R"({"chat_template": [{"name": "default", "template": "plain"},
                                      {"name": "tool_use", "template": "with tools"}]})");
  EXPECT_EQ(SayFolder(), "plain");
  EXPECT_EQ(SayFolder("[{}]"), "with tools");
}

TEST_F(DirectoryTest, TemplateFilesComeBeforeTheConfig) {
  folder_.Write("tokenizer_config.json",
                R"({"bos_token": "<s>", "chat_template": "of the config"})");
  folder_.Write("chat_template.jinja", "{{ bos_token }}of the file");
  EXPECT_EQ(SayFolder(), "<s>of the file");
  std::filesystem::create_directory(folder_.path() + "/additional_chat_templates");
  folder_.Write("additional_chat_templates/tool_use.jinja", "with tools");
  folder_.Write("additional_chat_templates/README.md", "{{ not a template");
  EXPECT_EQ(SayFolder("[{}]"), "with tools");
}

TEST_F(DirectoryTest, AFileMayReplaceTheTemplateOfAFolder) {
  folder_.Write("tokenizer_config.json", R"({"chat_template": "own", "bos_token": "<s>"})");
  folder_.Write("special_tokens_map.json",
                R"({"bos_token": "<other>", "eos_token": {"content": "</s>"}})");
  const TemporaryFolder elsewhere;
  const std::string path = elsewhere.Write("x.jinja", "{{ bos_token }}other{{ eos_token }}");
  const auto chat = ReadChatTemplate(folder_.path(), path);
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(Say(**chat), "<s>other</s>");
  EXPECT_TRUE(absl::IsNotFound(ReadChatTemplate(folder_.path(), path + ".none").status()));
  const std::string bad = elsewhere.Write("bad.jinja", "{% if %}");
  EXPECT_THAT(std::string(ReadChatTemplate(folder_.path(), bad).status().message()),
              HasSubstr(bad));
}

TEST_F(DirectoryTest, ErrorsNameTheFile) {
  EXPECT_THAT(SayFolder(), HasSubstr("FAILED_PRECONDITION"));
  EXPECT_THAT(SayFolder(), HasSubstr("tokenizer_config.json: chat_template: missing"));
  struct Case {
    const char *config, *error;
  };
  const Case cases[] = {
      {"{", "tokenizer_config.json"},
      {R"({"chat_template": 1})", "chat_template"},
      {R"({"chat_template": [{"name": "default"}]})", "chat_template[0].template"},
      {R"({"chat_template": [{"template": "x"}]})", "chat_template[0].name"},
      {R"({"chat_template": [{"name": "other", "template": "x"}]})", "missing"},
      {R"({"chat_template": "x", "bos_token": 5})", "bos_token"},
      {R"({"chat_template": "x", "bos_token": {"content": 5}})", "bos_token.content"},
      {R"({"chat_template": "{% if %}"})", "line 1"},
  };
  for (const Case& c : cases) {
    folder_.Write("tokenizer_config.json", c.config);
    EXPECT_THAT(SayFolder(), HasSubstr(c.error)) << c.config;
  }
  folder_.Write("tokenizer_config.json", "{}");
  folder_.Write("chat_template.jinja", "\n{{");
  EXPECT_THAT(SayFolder(), HasSubstr("chat_template.jinja: the chat template 'default' cannot be "
                                     "used: line 2"));
  folder_.Write("chat_template.jinja", std::string((1 << 20) + 1, 'x'));
  EXPECT_THAT(SayFolder(), HasSubstr("more than"));
}

}  // namespace
}  // namespace quantd
