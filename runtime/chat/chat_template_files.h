#ifndef QUANTD_RUNTIME_CHAT_CHAT_TEMPLATE_FILES_H_
#define QUANTD_RUNTIME_CHAT_CHAT_TEMPLATE_FILES_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/chat/chat_template.h"
#include "runtime/formats/gguf.h"
#include "runtime/formats/gguf_writer.h"

namespace quantd {

/// The chat template of a GGUF file: tokenizer.chat_template, and those that
/// tokenizer.chat_templates names. Errors: those of ChatTemplate::Create; DATA_LOSS naming file and
/// key when a key has another type or a token id is none.
absl::StatusOr<std::unique_ptr<const ChatTemplate>> ReadChatTemplate(const GgufFile& file);

/// The template in the file `jinja_path` in place of the model's own; special tokens are those of
/// the model. Errors: those of MappedFile::Open and of the above.
absl::StatusOr<std::unique_ptr<const ChatTemplate>> ReadChatTemplate(const GgufFile& file,
                                                                     const std::string& jinja_path);

/// The chat template of a Hugging Face model directory, as transformers finds it:
/// chat_template.jinja with additional_chat_templates/*.jinja, else `chat_template` of
/// tokenizer_config.json, a string or a list of {name, template}. Special tokens are those of
/// tokenizer_config.json, or else special_tokens_map.json. Errors: those of ChatTemplate::Create;
/// DATA_LOSS naming file and key.
absl::StatusOr<std::unique_ptr<const ChatTemplate>> ReadChatTemplate(const std::string& directory);

/// What these templates are made from. Errors: DATA_LOSS naming file and key.
absl::StatusOr<ChatTemplateSource> ReadChatTemplateSource(const GgufFile& file);
absl::StatusOr<ChatTemplateSource> ReadChatTemplateSource(const std::string& directory);

/// Templates, by name, as `chat_template` of a tokenizer_config.json has them, a JSON value; "" if
/// there are none.
std::string ChatTemplatesJson(const std::map<std::string, std::string>& templates);

/// Sets the keys of templates, by name.
void WriteChatTemplates(const std::map<std::string, std::string>& templates, GgufWriter* writer);

/// The template in the file `jinja_path` in place of the directory's own.
absl::StatusOr<std::unique_ptr<const ChatTemplate>> ReadChatTemplate(const std::string& directory,
                                                                     const std::string& jinja_path);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CHAT_CHAT_TEMPLATE_FILES_H_
