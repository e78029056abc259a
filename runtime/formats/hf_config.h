#ifndef QUANTD_RUNTIME_FORMATS_HF_CONFIG_H_
#define QUANTD_RUNTIME_FORMATS_HF_CONFIG_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/formats/json_document.h"
#include "runtime/formats/model_directory.h"
#include "runtime/formats/quantization_config.h"

namespace quantd {

/// What the model's makers recommend for sampling, and the tokens that frame a text. Fields that
/// neither generation_config.json nor config.json has are empty.
struct GenerationDefaults {
  std::optional<int32_t> bos_token;
  std::vector<int32_t> eos_tokens;  ///< any of them ends a text
  std::optional<bool> do_sample;    ///< false: greedy
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int32_t> top_k, max_new_tokens;
};

/// A JSON file of the folder, at most `max_bytes` of it; null if there is none. Errors: those of
/// JsonDocument; DATA_LOSS for a link that leads out of the folder.
absl::StatusOr<std::unique_ptr<JsonDocument>> OpenJsonIfThere(const ModelDirectory& directory,
                                                              const char* name, uint64_t max_bytes);

/// Reads "eos_token_id", an id or a list of them; *out stays as it is if `object` has none.
absl::Status ReadEosTokens(const JsonValue& object, std::vector<int32_t>* out);

/// The configuration of a Hugging Face model: config.json and, where it exists,
/// generation_config.json. What all models have is read here; the hyper-parameters of a family are
/// read from language_model() with the typed look-ups of JsonValue, whose errors name file and key.
/// Immutable, thread-safe.
class HfConfig {
 public:
  /// Errors: NOT_FOUND without config.json; DATA_LOSS naming file and key; UNIMPLEMENTED for a
  /// quantization that this build does not read.
  static absl::StatusOr<std::unique_ptr<HfConfig>> Open(const ModelDirectory& directory);
  /// Of texts; null for a generation_config.json that does not exist. `path` stands for the folder.
  static absl::StatusOr<std::unique_ptr<HfConfig>> Parse(
      absl::string_view config, std::optional<absl::string_view> generation,
      const std::string& path);

  const std::string& path() const { return config_->path(); }
  const std::string& model_type() const { return model_type_; }  ///< "llama"
  /// "LlamaForCausalLM"; "" if the file does not say.
  const std::string& architecture() const { return architecture_; }
  JsonValue root() const { return config_->root(); }
  /// The object that holds the language model's hyper-parameters: `text_config` of a model with
  /// several modalities, else the root.
  JsonValue language_model() const;
  const QuantizationConfig& quantization() const { return quantization_; }
  const GenerationDefaults& generation() const { return generation_; }

 private:
  HfConfig() = default;
  static absl::StatusOr<std::unique_ptr<HfConfig>> Read(std::unique_ptr<JsonDocument> config,
                                                        std::unique_ptr<JsonDocument> generation,
                                                        std::unique_ptr<JsonDocument> quantize);
  absl::Status ReadQuantization(const JsonDocument* quantize);

  std::unique_ptr<JsonDocument> config_;
  std::string model_type_, architecture_;
  QuantizationConfig quantization_;
  GenerationDefaults generation_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_HF_CONFIG_H_
