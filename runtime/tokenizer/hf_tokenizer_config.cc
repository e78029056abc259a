#include "runtime/tokenizer/hf_tokenizer_config.h"

#include <memory>
#include <utility>

#include "kernels/base/status_macros.h"
#include "runtime/formats/hf_config.h"

namespace quantd {
namespace {

constexpr char kConfigFile[] = "tokenizer_config.json";
constexpr char kSpecialTokensFile[] = "special_tokens_map.json";
constexpr char kGenerationFile[] = "generation_config.json";
// Some hold thousands of added tokens, or long chat templates.
constexpr uint64_t kMaxBytes = 16 << 20;

// A token: its text, or an object that describes it. None if it is absent.
absl::StatusOr<std::optional<std::string>> ReadToken(const JsonValue& value) {
  if (!value.is_object()) {
    QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, value.String());
    return std::string(text);
  }
  QUANTD_ASSIGN_OR_RETURN(const JsonValue content, value.At("content"));
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, content.String());
  return std::string(text);
}

absl::StatusOr<std::optional<std::string>> ReadTokenMember(const JsonValue& root, const char* key) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> value, root.Find(key));
  if (!value.has_value()) return std::nullopt;
  return ReadToken(*value);
}

absl::Status ReadFlag(const JsonValue& root, const char* key, std::optional<bool>* out) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> value, root.Find(key));
  if (!value.has_value()) return absl::OkStatus();
  QUANTD_ASSIGN_OR_RETURN(*out, value->Bool());
  return absl::OkStatus();
}

// The special tokens that either file may name.
absl::Status ReadSpecialTokens(const JsonDocument& document, HfTokenizerConfig* config) {
  const JsonValue root = document.root();
  if (config->path.empty()) config->path = document.path();
  QUANTD_ASSIGN_OR_RETURN(std::optional<std::string> bos, ReadTokenMember(root, "bos_token"));
  QUANTD_ASSIGN_OR_RETURN(std::optional<std::string> eos, ReadTokenMember(root, "eos_token"));
  QUANTD_ASSIGN_OR_RETURN(std::optional<std::string> padding, ReadTokenMember(root, "pad_token"));
  if (!config->padding) config->padding = std::move(padding);
  if (!config->bos) config->bos = std::move(bos);
  if (!config->eos) config->eos = std::move(eos);
  for (const char* key :
       {"bos_token", "eos_token", "pad_token", "cls_token", "sep_token", "mask_token"}) {
    QUANTD_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadTokenMember(root, key));
    if (text.has_value()) config->control.push_back(*text);
  }
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> more,
                          root.Find("additional_special_tokens"));
  if (more.has_value()) {
    QUANTD_ASSIGN_OR_RETURN(const std::vector<JsonValue> elements, more->Elements());
    for (const JsonValue& element : elements) {
      QUANTD_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadToken(element));
      config->control.push_back(*text);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadHfTokenizerConfig(const JsonDocument& document, HfTokenizerConfig* config) {
  const JsonValue root = document.root();
  QUANTD_RETURN_IF_ERROR(ReadSpecialTokens(document, config));
  QUANTD_ASSIGN_OR_RETURN(config->tokenizer_class, root.String("tokenizer_class", ""));
  QUANTD_RETURN_IF_ERROR(ReadFlag(root, "add_bos_token", &config->add_bos));
  QUANTD_RETURN_IF_ERROR(ReadFlag(root, "add_eos_token", &config->add_eos));
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> decoder,
                          root.Find("added_tokens_decoder"));
  QUANTD_ASSIGN_OR_RETURN(config->added, ReadAddedTokensDecoder(decoder));
  return absl::OkStatus();
}

absl::StatusOr<HfTokenizerConfig> ReadHfTokenizerConfig(const ModelDirectory& directory) {
  HfTokenizerConfig config;
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<JsonDocument> document,
                          OpenJsonIfThere(directory, kConfigFile, kMaxBytes));
  if (document != nullptr) QUANTD_RETURN_IF_ERROR(ReadHfTokenizerConfig(*document, &config));
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<JsonDocument> map,
                          OpenJsonIfThere(directory, kSpecialTokensFile, kMaxBytes));
  if (map != nullptr) QUANTD_RETURN_IF_ERROR(ReadSpecialTokens(*map, &config));
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<JsonDocument> generation,
                          OpenJsonIfThere(directory, kGenerationFile, kMaxBytes));
  if (generation != nullptr) {
    QUANTD_RETURN_IF_ERROR(ReadEosTokens(generation->root(), &config.end_ids));
  }
  return config;
}

}  // namespace quantd
