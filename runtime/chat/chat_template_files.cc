#include "runtime/chat/chat_template_files.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kernels/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "runtime/chat/parser.h"
#include "runtime/formats/file_error.h"
#include "runtime/formats/json_document.h"
#include "runtime/formats/mapped_file.h"
#include "runtime/tokenizer/gguf_tokenizer_keys.h"

namespace quantd {
namespace {

constexpr char kTemplateKey[] = "tokenizer.chat_template";
constexpr char kDefaultTemplate[] = "default";
constexpr char kNamesKey[] = "tokenizer.chat_templates";

// The variables of templates for special tokens, and how GGUF names their ids.
struct SpecialTokenRow {
  const char *variable, *gguf_key;
};
constexpr SpecialTokenRow kSpecialTokens[] = {
    {"bos_token", gguf_tokenizer::kBosId},     {"eos_token", gguf_tokenizer::kEosId},
    {"unk_token", gguf_tokenizer::kUnknownId}, {"sep_token", gguf_tokenizer::kSeparatorId},
    {"pad_token", gguf_tokenizer::kPaddingId},
};

constexpr char kJinjaFile[] = "chat_template.jinja", kConfigFile[] = "tokenizer_config.json";
constexpr char kSpecialTokensFile[] = "special_tokens_map.json";
constexpr char kMoreTemplates[] = "additional_chat_templates";
// With all its added tokens a real one has about a megabyte.
constexpr uint64_t kMaxConfigBytes = uint64_t{64} << 20;
constexpr size_t kMaxTemplates = 64;

absl::Status ReadGgufTokens(const GgufFile& file, ChatTemplateSource* source) {
  QUANTD_ASSIGN_OR_RETURN(const GgufArray* tokens,
                          file.OptionalStringArray(gguf_tokenizer::kTokens));
  for (const SpecialTokenRow& row : kSpecialTokens) {
    QUANTD_ASSIGN_OR_RETURN(const std::optional<uint64_t> id, file.OptionalUint(row.gguf_key));
    if (!id.has_value() || tokens == nullptr) continue;
    if (*id >= tokens->strings.size()) {
      return file.Error(row.gguf_key,
                        absl::StrCat("id ", *id, " in a vocabulary of ", tokens->strings.size()));
    }
    source->tokens.emplace_back(row.variable, std::string(tokens->strings[*id]));
  }
  return absl::OkStatus();
}

// A token of tokenizer_config.json: its text, or an object with it; "" if there is none.
absl::StatusOr<std::string> TokenText(const JsonValue& config, const char* key) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> token, config.Find(key));
  if (!token.has_value()) return std::string();
  if (token->is_object()) return token->String("content", "");
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, token->String());
  return std::string(text);
}

absl::Status ReadConfigTemplates(const JsonValue& config, ChatTemplateSource* source) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> found, config.Find("chat_template"));
  if (!found.has_value()) return absl::OkStatus();
  if (found->is_string()) {
    QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, found->String());
    source->templates[kDefaultTemplate] = std::string(text);
    return absl::OkStatus();
  }
  QUANTD_ASSIGN_OR_RETURN(const std::vector<JsonValue> elements, found->Elements());
  if (elements.size() > kMaxTemplates) {
    return found->Error(absl::StrCat("more than ", kMaxTemplates, " templates"));
  }
  for (const JsonValue& element : elements) {
    QUANTD_ASSIGN_OR_RETURN(const JsonValue name_value, element.At("name"));
    QUANTD_ASSIGN_OR_RETURN(const absl::string_view name, name_value.String());
    QUANTD_ASSIGN_OR_RETURN(const JsonValue text_value, element.At("template"));
    QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, text_value.String());
    source->templates[std::string(name)] = std::string(text);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadTemplateFile(const std::string& path) {
  QUANTD_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  const absl::Span<const uint8_t> bytes = file->bytes();
  if (bytes.size() > jinja::kMaxTemplateBytes) {
    return FileError(path, "template",
                     absl::StrCat("more than ", jinja::kMaxTemplateBytes, " bytes"));
  }
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// The special tokens of a folder's tokenizer_config.json and, where that does not name them, of its
// special_tokens_map.json; of the former also the templates, if they are wanted.
absl::Status ReadConfigs(const std::string& directory, bool templates, ChatTemplateSource* source) {
  for (const char* name : {kConfigFile, kSpecialTokensFile}) {
    const std::string path = absl::StrCat(directory, "/", name);
    if (!Exists(path)) continue;
    QUANTD_ASSIGN_OR_RETURN(const auto config, JsonDocument::Open(path, kMaxConfigBytes));
    for (const SpecialTokenRow& row : kSpecialTokens) {
      QUANTD_ASSIGN_OR_RETURN(std::string text, TokenText(config->root(), row.variable));
      const bool known =
          std::any_of(source->tokens.begin(), source->tokens.end(),
                      [&](const auto& token) { return token.first == row.variable; });
      if (!text.empty() && !known) source->tokens.emplace_back(row.variable, std::move(text));
    }
    if (templates && name == kConfigFile) {
      QUANTD_RETURN_IF_ERROR(ReadConfigTemplates(config->root(), source));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadJinjaFiles(const std::string& directory, ChatTemplateSource* source) {
  const std::string main = absl::StrCat(directory, "/", kJinjaFile);
  source->place = main;
  source->templates.clear();
  QUANTD_ASSIGN_OR_RETURN(source->templates[kDefaultTemplate], ReadTemplateFile(main));
  std::error_code error;
  std::filesystem::directory_iterator entry(absl::StrCat(directory, "/", kMoreTemplates), error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::filesystem::path& path = entry->path();
    if (path.extension() != ".jinja" || source->templates.size() >= kMaxTemplates) continue;
    QUANTD_ASSIGN_OR_RETURN(source->templates[path.stem().string()],
                            ReadTemplateFile(path.string()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ChatTemplateSource> ReadChatTemplateSource(const GgufFile& file) {
  ChatTemplateSource source;
  source.place = absl::StrCat(file.path(), ": ", kTemplateKey);
  QUANTD_ASSIGN_OR_RETURN(const auto text, file.OptionalString(kTemplateKey));
  if (text.has_value()) source.templates[kDefaultTemplate] = std::string(*text);
  QUANTD_ASSIGN_OR_RETURN(const GgufArray* names, file.OptionalStringArray(kNamesKey));
  const size_t count = names == nullptr ? 0 : std::min(names->strings.size(), kMaxTemplates);
  for (size_t i = 0; i < count; ++i) {
    const std::string name(names->strings[i]);
    QUANTD_ASSIGN_OR_RETURN(const auto named,
                            file.OptionalString(absl::StrCat(kTemplateKey, ".", name)));
    if (named.has_value()) source.templates[name] = std::string(*named);
  }
  QUANTD_RETURN_IF_ERROR(ReadGgufTokens(file, &source));
  return source;
}

absl::StatusOr<std::unique_ptr<const ChatTemplate>> ReadChatTemplate(const GgufFile& file) {
  QUANTD_ASSIGN_OR_RETURN(ChatTemplateSource source, ReadChatTemplateSource(file));
  return ChatTemplate::Create(std::move(source));
}

absl::StatusOr<std::unique_ptr<const ChatTemplate>> ReadChatTemplate(
    const GgufFile& file, const std::string& jinja_path) {
  ChatTemplateSource source;
  source.place = jinja_path;
  QUANTD_ASSIGN_OR_RETURN(source.templates[kDefaultTemplate], ReadTemplateFile(jinja_path));
  QUANTD_RETURN_IF_ERROR(ReadGgufTokens(file, &source));
  return ChatTemplate::Create(std::move(source));
}

absl::StatusOr<ChatTemplateSource> ReadChatTemplateSource(const std::string& directory) {
  ChatTemplateSource source;
  source.place = absl::StrCat(directory, "/", kConfigFile, ": chat_template");
  QUANTD_RETURN_IF_ERROR(ReadConfigs(directory, /*templates=*/true, &source));
  if (Exists(absl::StrCat(directory, "/", kJinjaFile))) {
    QUANTD_RETURN_IF_ERROR(ReadJinjaFiles(directory, &source));
  }
  return source;
}

absl::StatusOr<std::unique_ptr<const ChatTemplate>> ReadChatTemplate(const std::string& directory) {
  QUANTD_ASSIGN_OR_RETURN(ChatTemplateSource source, ReadChatTemplateSource(directory));
  return ChatTemplate::Create(std::move(source));
}

std::string ChatTemplatesJson(const std::map<std::string, std::string>& templates) {
  using Json = nlohmann::ordered_json;
  if (templates.empty()) return "";
  Json json = Json::array();
  for (const auto& [name, text] : templates) {
    json.push_back({{"name", name}, {"template", text}});
  }
  const bool alone = templates.size() == 1 && templates.begin()->first == kDefaultTemplate;
  if (alone) json = templates.begin()->second;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void WriteChatTemplates(const std::map<std::string, std::string>& templates, GgufWriter* writer) {
  std::vector<std::string> names;
  for (const auto& [name, text] : templates) {
    if (name == kDefaultTemplate) {
      writer->SetString(kTemplateKey, text);
      continue;
    }
    names.push_back(name);
    writer->SetString(absl::StrCat(kTemplateKey, ".", name), text);
  }
  if (!names.empty()) writer->SetStrings(kNamesKey, names);
}

absl::StatusOr<std::unique_ptr<const ChatTemplate>> ReadChatTemplate(
    const std::string& directory, const std::string& jinja_path) {
  ChatTemplateSource source;
  source.place = jinja_path;
  QUANTD_ASSIGN_OR_RETURN(source.templates[kDefaultTemplate], ReadTemplateFile(jinja_path));
  QUANTD_RETURN_IF_ERROR(ReadConfigs(directory, /*templates=*/false, &source));
  return ChatTemplate::Create(std::move(source));
}

}  // namespace quantd
