#include "runtime/model/hf_hyper_parameters.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/model/family.h"
#include "runtime/model/llama3_scaling.h"

namespace quantd {
namespace {

constexpr int64_t kMaxInt = std::numeric_limits<int32_t>::max();
// More would be a mistake, and tables of this length are made before the tensors are looked at.
constexpr int64_t kMaxHeadDim = 1 << 16;
// Limits of scaling factors.
constexpr double kLeast = 1e-6, kMost = 1e6;
constexpr double kMostBase = 1e30;  // of rope_theta

/// A member that must be there: a count.
absl::Status ReadCount(const JsonValue& object, absl::string_view key, int32_t* out) {
  QUANTD_ASSIGN_OR_RETURN(const JsonValue value, object.At(key));
  QUANTD_ASSIGN_OR_RETURN(const int64_t count, value.Int(1, kMaxInt));
  *out = static_cast<int32_t>(count);
  return absl::OkStatus();
}

absl::StatusOr<float> ReadFactor(const JsonValue& object, absl::string_view key) {
  QUANTD_ASSIGN_OR_RETURN(const JsonValue value, object.At(key));
  QUANTD_ASSIGN_OR_RETURN(const double factor, value.Number(kLeast, kMost));
  return static_cast<float>(factor);
}

absl::Status ReadSizes(const JsonValue& object, ModelConfig* config) {
  QUANTD_RETURN_IF_ERROR(ReadCount(object, "hidden_size", &config->dim));
  QUANTD_RETURN_IF_ERROR(ReadCount(object, "num_hidden_layers", &config->layers));
  QUANTD_RETURN_IF_ERROR(ReadCount(object, "intermediate_size", &config->ff));
  QUANTD_RETURN_IF_ERROR(ReadCount(object, "vocab_size", &config->vocab));
  QUANTD_RETURN_IF_ERROR(ReadCount(object, "max_position_embeddings", &config->context));
  QUANTD_ASSIGN_OR_RETURN(const double eps, object.Number("rms_norm_eps", 1e-6, 1e-30, 1));
  config->rms_eps = static_cast<float>(eps);
  return absl::OkStatus();
}

/// The activation must be the family's: nothing else has been trained.
absl::Status CheckActivation(const JsonValue& object, const ModelConfig& config) {
  const bool gelu = config.activation == Activation::kGeluTanh;
  const std::string usual = gelu ? "gelu_pytorch_tanh" : "silu";
  QUANTD_ASSIGN_OR_RETURN(const std::string older, object.String("hidden_act", usual));
  QUANTD_ASSIGN_OR_RETURN(const std::string name, object.String("hidden_activation", older));
  if (name == usual || (!gelu && name == "swish")) return absl::OkStatus();
  return object.Unsupported(
      absl::StrCat("hidden_act \"", Printable(name), "\" is not supported; ", usual, " is"));
}

/// Which layers see a window only: `layer_types`, where the file has it, must follow one period.
absl::Status ReadLayerTypes(const JsonValue& types, ModelConfig* config) {
  QUANTD_ASSIGN_OR_RETURN(const std::vector<JsonValue> elements, types.Elements());
  if (elements.size() != static_cast<size_t>(config->layers)) {
    return types.Error(absl::StrCat("names ", elements.size(), " layers of ", config->layers));
  }
  std::vector<bool> local;
  for (const JsonValue& element : elements) {
    QUANTD_ASSIGN_OR_RETURN(const absl::string_view name, element.String());
    if (name != "sliding_attention" && name != "full_attention") {
      return element.Unsupported(absl::StrCat("\"", Printable(name), "\" is not supported"));
    }
    local.push_back(name == "sliding_attention");
  }
  const auto first = std::find(local.begin(), local.end(), false) - local.begin();
  config->window_period = first == config->layers ? 0 : static_cast<int32_t>(first) + 1;
  for (int32_t layer = 0; layer < config->layers; ++layer) {
    if (local[static_cast<size_t>(layer)] == (config->window_of(layer) > 0)) continue;
    return types.Unsupported("layers with and without a window must follow one period");
  }
  return absl::OkStatus();
}

absl::Status ReadWindow(const JsonValue& object, const Family& family, ModelConfig* config) {
  QUANTD_ASSIGN_OR_RETURN(const int64_t window,
                          object.Int("sliding_window", family.window, 0, kMaxInt));
  // Qwen names a window that it does not use.
  QUANTD_ASSIGN_OR_RETURN(const bool used, object.Bool("use_sliding_window", true));
  config->window = used ? static_cast<int32_t>(window) : 0;
  QUANTD_ASSIGN_OR_RETURN(const int64_t period,
                          object.Int("sliding_window_pattern", family.window_period, 0, kMaxInt));
  config->window_period = static_cast<int32_t>(period);
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> types, object.Find("layer_types"));
  if (config->window == 0) return absl::OkStatus();
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> full, object.Find("max_window_layers"));
  if (full && !types) return object.Unsupported("max_window_layers needs layer_types beside it");
  return types ? ReadLayerTypes(*types, config) : absl::OkStatus();
}

absl::Status ReadAttention(const JsonValue& object, const Family& family, ModelConfig* config) {
  QUANTD_RETURN_IF_ERROR(ReadWindow(object, family, config));
  QUANTD_ASSIGN_OR_RETURN(const double scale_dim,
                          object.Number("query_pre_attn_scalar", 0, kLeast, kMost));
  QUANTD_ASSIGN_OR_RETURN(
      const double scores,
      object.Number("attn_logit_softcapping", family.attention_soft_cap, kLeast, kMost));
  QUANTD_ASSIGN_OR_RETURN(const double logits, object.Number("final_logit_softcapping",
                                                             family.logit_soft_cap, kLeast, kMost));
  config->attention_scale_dim = static_cast<float>(scale_dim);
  config->attention_soft_cap = static_cast<float>(scores);
  config->logit_soft_cap = static_cast<float>(logits);
  return absl::OkStatus();
}

absl::Status ReadHeads(const JsonValue& object, ModelConfig* config) {
  QUANTD_RETURN_IF_ERROR(ReadCount(object, "num_attention_heads", &config->heads));
  QUANTD_ASSIGN_OR_RETURN(const int64_t kv_heads,
                          object.Int("num_key_value_heads", config->heads, 1, config->heads));
  config->kv_heads = static_cast<int32_t>(kv_heads);
  if (config->heads % config->kv_heads != 0) {
    return object.Error(absl::StrCat("num_key_value_heads ", kv_heads, " does not divide the ",
                                     config->heads, " of num_attention_heads"));
  }
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> head_dim, object.Find("head_dim"));
  if (head_dim) {
    QUANTD_ASSIGN_OR_RETURN(const int64_t length, head_dim->Int(1, kMaxHeadDim));
    config->head_dim = static_cast<int32_t>(length);
    return absl::OkStatus();
  }
  if (config->dim % config->heads != 0 || config->dim / config->heads > kMaxHeadDim) {
    return object.Error(absl::StrCat("num_attention_heads ", config->heads, " does not divide the ",
                                     config->dim, " of hidden_size, and there is no head_dim"));
  }
  config->head_dim = config->dim / config->heads;
  return absl::OkStatus();
}

/// `original_max_position_embeddings`: of the model before its context was stretched.
absl::StatusOr<int32_t> ReadOriginalContext(const JsonValue& scaling, int32_t otherwise) {
  QUANTD_ASSIGN_OR_RETURN(const int64_t original,
                          scaling.Int("original_max_position_embeddings", otherwise, 1, kMaxInt));
  return static_cast<int32_t>(original);
}

absl::Status ReadLinear(const JsonValue& scaling, ModelConfig* config) {
  config->rope_scaling = RopeScaling::kLinear;
  QUANTD_ASSIGN_OR_RETURN(config->rope_factor, ReadFactor(scaling, "factor"));
  return absl::OkStatus();
}

/// By how much YaRN sharpens attention for a context stretched by `factor`.
double YarnMagnitude(double factor, double mscale) {
  return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1;
}

absl::Status ReadYarn(const JsonValue& scaling, ModelConfig* config) {
  config->rope_scaling = RopeScaling::kYarn;
  QUANTD_ASSIGN_OR_RETURN(config->rope_factor, ReadFactor(scaling, "factor"));
  QUANTD_ASSIGN_OR_RETURN(config->rope_original_context,
                          ReadOriginalContext(scaling, config->context));
  QUANTD_ASSIGN_OR_RETURN(const double fast, scaling.Number("beta_fast", 32, kLeast, kMost));
  QUANTD_ASSIGN_OR_RETURN(const double slow, scaling.Number("beta_slow", 1, kLeast, kMost));
  config->yarn_beta_fast = static_cast<float>(fast);
  config->yarn_beta_slow = static_cast<float>(slow);
  QUANTD_ASSIGN_OR_RETURN(const bool truncate, scaling.Bool("truncate", true));
  if (!truncate) return scaling.Unsupported("truncate false is not supported; true is");
  const double factor = config->rope_factor;
  QUANTD_ASSIGN_OR_RETURN(const double mscale, scaling.Number("mscale", 0, 0, kMost));
  QUANTD_ASSIGN_OR_RETURN(const double mscale_all, scaling.Number("mscale_all_dim", 0, 0, kMost));
  double magnitude = YarnMagnitude(factor, 1);
  if (mscale > 0 && mscale_all > 0) {
    magnitude = YarnMagnitude(factor, mscale) / YarnMagnitude(factor, mscale_all);
  }
  QUANTD_ASSIGN_OR_RETURN(magnitude, scaling.Number("attention_factor", magnitude, kLeast, kMost));
  // The rope table multiplies by its own 1 + 0.1 log(factor).
  config->yarn_attn_factor = static_cast<float>(magnitude / (1 + 0.1 * std::log(factor)));
  return absl::OkStatus();
}

/// Llama 3.1: pairs that turn slowly are slowed down by the factor, fast ones are not, and in
/// between it fades.
absl::Status ReadLlama3(const JsonValue& scaling, ModelConfig* config) {
  config->rope_scaling = RopeScaling::kLlama3;
  QUANTD_ASSIGN_OR_RETURN(const float factor, ReadFactor(scaling, "factor"));
  QUANTD_ASSIGN_OR_RETURN(const float low, ReadFactor(scaling, "low_freq_factor"));
  QUANTD_ASSIGN_OR_RETURN(const float high, ReadFactor(scaling, "high_freq_factor"));
  if (low >= high) return scaling.Error("low_freq_factor must be below high_freq_factor");
  QUANTD_ASSIGN_OR_RETURN(const int32_t original, ReadOriginalContext(scaling, config->context));
  config->rope_factors =
      Llama3Factors({.factor = factor, .low = low, .high = high, .original_context = original},
                    config->rope_base, config->rope_dim);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> ReadFactors(const JsonValue& scaling, const char* key,
                                               const ModelConfig& config) {
  QUANTD_ASSIGN_OR_RETURN(const JsonValue list, scaling.At(key));
  QUANTD_ASSIGN_OR_RETURN(const std::vector<JsonValue> elements, list.Elements());
  if (elements.size() != static_cast<size_t>(config.rope_dim / 2)) {
    return list.Error(absl::StrCat("holds ", elements.size(),
                                   " numbers, but the rotated pairs are ", config.rope_dim / 2));
  }
  std::vector<float> factors;
  for (const JsonValue& element : elements) {
    QUANTD_ASSIGN_OR_RETURN(const double factor, element.Number(kLeast, kMost));
    factors.push_back(static_cast<float>(factor));
  }
  return factors;
}

/// LongRoPE (Phi-3): two sets of divisors, and attention sharpened by how far the context was
/// stretched.
absl::Status ReadLongRope(const JsonValue& scaling, ModelConfig* config) {
  config->rope_scaling = RopeScaling::kLlama3;
  QUANTD_ASSIGN_OR_RETURN(config->rope_factors, ReadFactors(scaling, "short_factor", *config));
  QUANTD_ASSIGN_OR_RETURN(config->long_rope_factors, ReadFactors(scaling, "long_factor", *config));
  QUANTD_ASSIGN_OR_RETURN(config->rope_original_context,
                          ReadOriginalContext(scaling, config->rope_original_context));
  const double original = config->rope_original_context;
  QUANTD_ASSIGN_OR_RETURN(const double factor,
                          scaling.Number("factor", config->context / original, kLeast, kMost));
  const double usual =
      factor <= 1 || original <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(original));
  QUANTD_ASSIGN_OR_RETURN(const double magnitude,
                          scaling.Number("attention_factor", usual, kLeast, kMost));
  config->yarn_attn_factor = static_cast<float>(magnitude);
  config->long_context = config->context;
  config->context = std::min(config->context, config->rope_original_context);
  return absl::OkStatus();
}

/// A kind of rope_type. ONE row per kind.
struct RopeType {
  const char* name;
  absl::Status (*read)(const JsonValue& scaling, ModelConfig* config);
};
constexpr RopeType kRopeTypes[] = {
    {"default", [](const JsonValue&, ModelConfig*) { return absl::OkStatus(); }},
    {"linear", ReadLinear},
    {"yarn", ReadYarn},
    {"llama3", ReadLlama3},
    {"longrope", ReadLongRope},
    {"su", ReadLongRope},  // as it was called before
};

absl::Status ReadScaling(const JsonValue& scaling, ModelConfig* config) {
  QUANTD_ASSIGN_OR_RETURN(const std::string older, scaling.String("type", "default"));
  QUANTD_ASSIGN_OR_RETURN(const std::string name, scaling.String("rope_type", older));
  std::string known;
  for (const RopeType& type : kRopeTypes) {
    if (name == type.name) return type.read(scaling, config);
    absl::StrAppend(&known, known.empty() ? "" : ", ", type.name);
  }
  return scaling.Unsupported(
      absl::StrCat("rope_type \"", Printable(name), "\" is not supported; supported are: ", known));
}

/// The base of layers with a window: beside that of the others, or in an object of its own.
absl::Status ReadLocalRope(const JsonValue& object, const Family& family,
                           const std::optional<JsonValue>& parameters, ModelConfig* config) {
  if (config->window == 0) return absl::OkStatus();
  QUANTD_ASSIGN_OR_RETURN(
      double base, object.Number("rope_local_base_freq", family.local_rope_base, 0, kMostBase));
  if (parameters) {
    QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> local,
                            parameters->Find("sliding_attention"));
    if (local) {
      QUANTD_ASSIGN_OR_RETURN(base, local->Number("rope_theta", base, 1.01, kMostBase));
    }
  }
  config->local_rope_base = static_cast<float>(base);
  return absl::OkStatus();
}

absl::Status ReadRope(const JsonValue& object, const Family& family, ModelConfig* config) {
  // transformers 5 has everything in one object, which before held the scaling only.
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> all, object.Find("rope_parameters"));
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> older, object.Find("rope_scaling"));
  std::optional<JsonValue> scaling = all ? all : older;
  QUANTD_RETURN_IF_ERROR(ReadLocalRope(object, family, all, config));
  if (all) {
    QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> global, all->Find("full_attention"));
    if (global) scaling = global;
  }
  double base = 10000, share = 1;
  for (const JsonValue& place : {object, scaling.value_or(object)}) {
    QUANTD_ASSIGN_OR_RETURN(base, place.Number("rope_theta", base, 1.01, 1e30));
    QUANTD_ASSIGN_OR_RETURN(share, place.Number("partial_rotary_factor", share, 0, 1));
  }
  config->rope_base = static_cast<float>(base);
  config->rope_dim = static_cast<int32_t>(config->head_dim * share);
  if (config->rope_dim < 2 || config->rope_dim % 2 != 0) {
    return object.Error(absl::StrCat("head_dim ", config->head_dim, " and partial_rotary_factor ",
                                     share, " leave ", config->rope_dim,
                                     " rotated dimensions; they must be even and at least 2"));
  }
  QUANTD_ASSIGN_OR_RETURN(config->rope_original_context,
                          ReadOriginalContext(object, config->context));
  return scaling ? ReadScaling(*scaling, config) : absl::OkStatus();
}

/// Which layers of a mixture have one feed-forward block for all rows after all.
absl::Status ReadDenseLayers(const JsonValue& object, ModelConfig* config) {
  QUANTD_ASSIGN_OR_RETURN(const int64_t period, object.Int("decoder_sparse_step", 1, 1, kMaxInt));
  config->expert_period = static_cast<int32_t>(period);
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> dense, object.Find("mlp_only_layers"));
  if (!dense) return absl::OkStatus();
  QUANTD_ASSIGN_OR_RETURN(const std::vector<JsonValue> layers, dense->Elements());
  for (const JsonValue& layer : layers) {
    QUANTD_ASSIGN_OR_RETURN(const int64_t number, layer.Int(0, kMaxInt));
    config->dense_layers.push_back(static_cast<int32_t>(number));
  }
  std::sort(config->dense_layers.begin(), config->dense_layers.end());
  return absl::OkStatus();
}

/// A mixture of experts, if the model is one: Mixtral by the first key, Qwen by the second, or, as
/// transformers 5 writes it, by the first as well.
absl::Status ReadExperts(const JsonValue& object, ModelConfig* config) {
  for (const char* key : {"num_local_experts", "num_experts"}) {
    QUANTD_ASSIGN_OR_RETURN(const int64_t experts,
                            object.Int(key, config->experts, 0, kMaxExperts));
    config->experts = static_cast<int32_t>(experts);
  }
  if (config->experts == 0) return absl::OkStatus();
  QUANTD_RETURN_IF_ERROR(ReadCount(object, "num_experts_per_tok", &config->experts_used));
  if (config->experts_used > config->experts) {
    return object.Error(absl::StrCat("num_experts_per_tok ", config->experts_used,
                                     " is more than the ", config->experts, " experts"));
  }
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> own, object.Find("moe_intermediate_size"));
  QUANTD_ASSIGN_OR_RETURN(const int64_t ff,
                          object.Int("moe_intermediate_size", config->ff, 1, kMaxInt));
  config->expert_ff = static_cast<int32_t>(ff);
  // Mixtral always does; Qwen, whose experts have a size of their own, if it says so.
  QUANTD_ASSIGN_OR_RETURN(config->normalize_experts,
                          object.Bool("norm_topk_prob", !own.has_value()));
  return ReadDenseLayers(object, config);
}

absl::Status UnknownFamily(const HfConfig& config) {
  return UnsupportedError(config.path(), "model_type",
                          absl::StrCat("\"", Printable(config.model_type()),
                                       "\" is not supported; supported are: ", HfModelTypes()));
}

}  // namespace

absl::StatusOr<ModelConfig> ReadHfHyperParameters(const HfConfig& hf) {
  const Family* family = FindHfFamily(hf.model_type());
  if (family == nullptr) return UnknownFamily(hf);
  const JsonValue object = hf.language_model();
  ModelConfig config;
  SetFamily(*family, &config);
  config.rope_adjacent = false;
  QUANTD_ASSIGN_OR_RETURN(config.name, hf.root().String("_name_or_path", ""));
  QUANTD_RETURN_IF_ERROR(ReadSizes(object, &config));
  QUANTD_RETURN_IF_ERROR(ReadHeads(object, &config));
  QUANTD_RETURN_IF_ERROR(CheckActivation(object, config));
  QUANTD_RETURN_IF_ERROR(ReadAttention(object, *family, &config));
  QUANTD_RETURN_IF_ERROR(ReadRope(object, *family, &config));
  QUANTD_RETURN_IF_ERROR(ReadExperts(object, &config));
  if (family->scale_embedding) config.embedding_scale = std::sqrt(static_cast<float>(config.dim));
  return config;
}

}  // namespace quantd
