#include "runtime/formats/hf_config.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"

namespace quantd {
namespace {

constexpr char kConfigFile[] = "config.json";
constexpr char kGenerationFile[] = "generation_config.json";
/// Where AutoGPTQ once kept what is now `quantization_config`.
constexpr char kQuantizeFile[] = "quantize_config.json";
/// Real ones have a few kilobytes; lists of modules that are not quantized make them longer.
constexpr uint64_t kMaxBytes = 8 << 20;
constexpr int64_t kMaxInt = std::numeric_limits<int32_t>::max();

absl::Status ReadInt(const JsonValue& object, absl::string_view key, std::optional<int32_t>* out) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> value, object.Find(key));
  if (!value) return absl::OkStatus();
  QUANTD_ASSIGN_OR_RETURN(const int64_t number, value->Int(0, kMaxInt));
  *out = static_cast<int32_t>(number);
  return absl::OkStatus();
}

absl::Status ReadNumber(const JsonValue& object, absl::string_view key, double max,
                        std::optional<double>* out) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> value, object.Find(key));
  if (!value) return absl::OkStatus();
  QUANTD_ASSIGN_OR_RETURN(*out, value->Number(0, max));
  return absl::OkStatus();
}

absl::Status ReadTokens(const JsonValue& object, GenerationDefaults* out) {
  QUANTD_RETURN_IF_ERROR(ReadInt(object, "bos_token_id", &out->bos_token));
  return ReadEosTokens(object, &out->eos_tokens);
}

absl::Status ReadSampling(const JsonValue& object, GenerationDefaults* out) {
  constexpr double kMost = 1e6;
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> do_sample, object.Find("do_sample"));
  if (do_sample) {
    QUANTD_ASSIGN_OR_RETURN(out->do_sample, do_sample->Bool());
  }
  QUANTD_RETURN_IF_ERROR(ReadNumber(object, "temperature", kMost, &out->temperature));
  QUANTD_RETURN_IF_ERROR(ReadNumber(object, "top_p", 1, &out->top_p));
  QUANTD_RETURN_IF_ERROR(ReadNumber(object, "min_p", 1, &out->min_p));
  QUANTD_RETURN_IF_ERROR(ReadNumber(object, "repetition_penalty", kMost, &out->repetition_penalty));
  QUANTD_RETURN_IF_ERROR(ReadInt(object, "top_k", &out->top_k));
  return ReadInt(object, "max_new_tokens", &out->max_new_tokens);
}

}  // namespace

absl::StatusOr<std::unique_ptr<JsonDocument>> OpenJsonIfThere(const ModelDirectory& directory,
                                                              const char* name,
                                                              uint64_t max_bytes) {
  if (!directory.Has(name)) return nullptr;
  const absl::StatusOr<std::string> path = directory.Resolve(name);
  if (!path.ok()) return FileError(directory.path(), name, path.status().message());
  return JsonDocument::Open(*path, max_bytes);
}

absl::Status ReadEosTokens(const JsonValue& object, std::vector<int32_t>* out) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> value, object.Find("eos_token_id"));
  if (!value) return absl::OkStatus();
  std::vector<JsonValue> ids = {*value};
  if (value->is_array()) {
    QUANTD_ASSIGN_OR_RETURN(ids, value->Elements());
  }
  out->clear();
  for (const JsonValue& element : ids) {
    QUANTD_ASSIGN_OR_RETURN(const int64_t id, element.Int(0, kMaxInt));
    out->push_back(static_cast<int32_t>(id));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<HfConfig>> HfConfig::Open(const ModelDirectory& directory) {
  QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<JsonDocument> config,
                          OpenJsonIfThere(directory, kConfigFile, kMaxBytes));
  if (config == nullptr) {
    return absl::NotFoundError(
        absl::StrCat(directory.path(), ": holds no ", kConfigFile, "; is it a model's folder?"));
  }
  QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<JsonDocument> generation,
                          OpenJsonIfThere(directory, kGenerationFile, kMaxBytes));
  QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<JsonDocument> quantize,
                          OpenJsonIfThere(directory, kQuantizeFile, kMaxBytes));
  return Read(std::move(config), std::move(generation), std::move(quantize));
}

absl::StatusOr<std::unique_ptr<HfConfig>> HfConfig::Parse(
    absl::string_view config, std::optional<absl::string_view> generation,
    const std::string& path) {
  QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<JsonDocument> config_document,
                          JsonDocument::Parse(config, absl::StrCat(path, "/", kConfigFile)));
  std::unique_ptr<JsonDocument> generation_document;
  if (generation) {
    QUANTD_ASSIGN_OR_RETURN(
        generation_document,
        JsonDocument::Parse(*generation, absl::StrCat(path, "/", kGenerationFile)));
  }
  return Read(std::move(config_document), std::move(generation_document), nullptr);
}

absl::StatusOr<std::unique_ptr<HfConfig>> HfConfig::Read(std::unique_ptr<JsonDocument> config,
                                                         std::unique_ptr<JsonDocument> generation,
                                                         std::unique_ptr<JsonDocument> quantize) {
  std::unique_ptr<HfConfig> result(new HfConfig);
  result->config_ = std::move(config);
  const JsonValue root = result->root();
  QUANTD_ASSIGN_OR_RETURN(const JsonValue model_type, root.At("model_type"));
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view type, model_type.String());
  result->model_type_ = std::string(type);
  QUANTD_ASSIGN_OR_RETURN(const std::vector<std::string> architectures,
                          root.Strings("architectures"));
  if (!architectures.empty()) result->architecture_ = architectures[0];
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> text, root.Find("text_config"));
  if (text) QUANTD_RETURN_IF_ERROR(text->Members().status());  // it must be an object
  QUANTD_RETURN_IF_ERROR(ReadTokens(result->language_model(), &result->generation_));
  QUANTD_RETURN_IF_ERROR(ReadTokens(root, &result->generation_));
  if (generation != nullptr) {
    QUANTD_RETURN_IF_ERROR(ReadTokens(generation->root(), &result->generation_));
    QUANTD_RETURN_IF_ERROR(ReadSampling(generation->root(), &result->generation_));
  }
  QUANTD_RETURN_IF_ERROR(result->ReadQuantization(quantize.get()));
  return result;
}

absl::Status HfConfig::ReadQuantization(const JsonDocument* quantize) {
  for (const JsonValue& object : {root(), language_model()}) {
    for (const char* key : {"quantization_config", "compression_config"}) {
      QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> value, object.Find(key));
      if (!value) continue;
      const bool older = absl::string_view(key) == "compression_config";
      QUANTD_ASSIGN_OR_RETURN(quantization_,
                              ReadQuantizationConfig(*value, older ? "compressed-tensors" : ""));
      return absl::OkStatus();
    }
  }
  if (quantize == nullptr) return absl::OkStatus();
  QUANTD_ASSIGN_OR_RETURN(quantization_, ReadQuantizationConfig(quantize->root(), "gptq"));
  return absl::OkStatus();
}

JsonValue HfConfig::language_model() const {
  const absl::StatusOr<std::optional<JsonValue>> text = root().Find("text_config");
  return text.ok() && text->has_value() ? **text : root();
}

}  // namespace quantd
