#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "runtime/formats/file_error.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/family.h"
#include "runtime/model/hf_hyper_parameters.h"
#include "runtime/model/llama3_scaling.h"

namespace quantd {
namespace {

using Json = nlohmann::ordered_json;

/// The shortest number that reads as this float: 1e-05 and not 9.999999747378752e-06.
double Shortest(float value) {
  std::array<char, 32> text = {};
  std::to_chars(text.data(), text.data() + text.size() - 1, value);
  return std::strtod(text.data(), nullptr);
}

/// As an integer where it is one, as some classes of transformers want it.
Json Number(float value) {
  if (value == std::floor(value) && std::fabs(value) < 1e9f) return static_cast<int64_t>(value);
  return Shortest(value);
}

class ConfigWriter {
 public:
  ConfigWriter(const ModelConfig& config, const Checkpoint& checkpoint)
      : config_(config),
        checkpoint_(checkpoint),
        family_(*FindGgufFamily(config.architecture)),
        class_(HfClassOf(family_, config)) {}

  absl::StatusOr<std::string> Write() {
    json_["architectures"] = Json::array({class_.architecture});
    json_["model_type"] = class_.model_type;
    if (!config_.name.empty()) json_["_name_or_path"] = config_.name;
    WriteSizes();
    QUANTD_RETURN_IF_ERROR(WriteBiases());
    QUANTD_RETURN_IF_ERROR(WriteWindows());
    QUANTD_RETURN_IF_ERROR(WriteAttention());
    QUANTD_RETURN_IF_ERROR(WriteRope());
    QUANTD_RETURN_IF_ERROR(WriteExperts());
    json_["tie_word_embeddings"] = config_.tied_output;
    // The name may be anything.
    return json_.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

 private:
  absl::Status Unsupported(absl::string_view field, absl::string_view what) const {
    return checkpoint_.Unsupported(field, absl::StrCat(class_.architecture, " ", what));
  }

  void WriteSizes() {
    json_["hidden_size"] = config_.dim;
    json_["num_hidden_layers"] = config_.layers;
    // Mixtral's experts have no length of their own.
    const bool own = config_.experts == 0 || class_.model_type == absl::string_view("qwen3_moe");
    json_["intermediate_size"] = own ? config_.ff : config_.expert_ff;
    json_["num_attention_heads"] = config_.heads;
    json_["num_key_value_heads"] = config_.kv_heads;
    json_["head_dim"] = config_.head_dim;
    json_["vocab_size"] = config_.vocab;
    json_["max_position_embeddings"] =
        config_.long_context > 0 ? config_.long_context : config_.context;
    json_["rms_norm_eps"] = Shortest(config_.rms_eps);
    const bool gelu = config_.activation == Activation::kGeluTanh;
    json_[gelu ? "hidden_activation" : "hidden_act"] = gelu ? "gelu_pytorch_tanh" : "silu";
  }

  std::string BiasOf(int32_t layer, const char* part) const {
    return absl::StrCat("blk.", layer, ".", part, ".bias");
  }
  bool HasBias(int32_t layer, const char* part) const {
    return checkpoint_.Find(BiasOf(layer, part)) != nullptr;
  }

  /// All parts of all layers must have biases if any has: `all` says whether they do.
  absl::Status CheckAlike(absl::Span<const char* const> parts, bool all) const {
    for (int32_t layer = 0; layer < config_.layers; ++layer) {
      for (const char* part : parts) {
        if (HasBias(layer, part) == all) continue;
        return Unsupported(absl::StrCat("tensor ", BiasOf(layer, part)),
                           all ? "needs it, but it is missing" : "has no such bias");
      }
    }
    return absl::OkStatus();
  }

  absl::Status WriteBiases() {
    using Biases = HfClass::Biases;
    constexpr const char* kQkv[] = {"attn_q", "attn_k", "attn_v"};
    constexpr const char* kOutput[] = {"attn_output"};
    constexpr const char* kMlp[] = {"ffn_gate", "ffn_up", "ffn_down"};
    constexpr const char* kNever[] = {"attn_qkv", "ffn_gate_inp"};
    const bool chosen = class_.biases >= Biases::kOfAttention;
    const bool attention = chosen && HasBias(0, kOutput[0]);
    const bool mlp = class_.biases == Biases::kOfAttentionOrMlp && HasBias(0, kMlp[2]);
    QUANTD_RETURN_IF_ERROR(CheckAlike(kQkv, attention || class_.biases == Biases::kOfQkv));
    QUANTD_RETURN_IF_ERROR(CheckAlike(kOutput, attention));
    QUANTD_RETURN_IF_ERROR(CheckAlike(kMlp, mlp));
    QUANTD_RETURN_IF_ERROR(CheckAlike(kNever, false));
    if (chosen) json_["attention_bias"] = attention;
    if (class_.biases == Biases::kOfAttentionOrMlp) json_["mlp_bias"] = mlp;
    return absl::OkStatus();
  }

  absl::Status WriteWindows() {
    using Windows = HfClass::Windows;
    const bool window = config_.window > 0;
    if (class_.windows == Windows::kNone) return absl::OkStatus();
    if (class_.optional_window) json_["use_sliding_window"] = window;
    // Of families with a window of their own, no window is said by 0.
    json_["sliding_window"] = window || family_.window > 0 ? Json(config_.window) : Json(nullptr);
    if (class_.windows == Windows::kAllLayers) {
      if (!window || config_.window_period == 0) return absl::OkStatus();
      return Unsupported("attention.sliding_window_pattern", "has one window for all layers");
    }
    Json types = Json::array();
    for (int32_t layer = 0; layer < config_.layers; ++layer) {
      types.push_back(config_.window_of(layer) > 0 ? "sliding_attention" : "full_attention");
    }
    json_["layer_types"] = std::move(types);
    if (family_.window_period > 0) json_["sliding_window_pattern"] = config_.window_period;
    if (family_.local_rope_base > 0 && window) {
      json_["rope_local_base_freq"] = Shortest(config_.local_rope_base);
    } else if (window && config_.local_rope_base > 0) {
      return Unsupported("rope.freq_base_swa", "rotates all layers alike");
    }
    return absl::OkStatus();
  }

  absl::Status WriteAttention() {
    const bool scaled = family_.large_layers > 0;
    const float scale_dim = config_.attention_scale_dim > 0 ? config_.attention_scale_dim
                                                            : static_cast<float>(config_.head_dim);
    if (scaled) json_["query_pre_attn_scalar"] = Number(scale_dim);
    const std::pair<const char*, float> caps[] = {
        {"attn_logit_softcapping", config_.attention_soft_cap},
        {"final_logit_softcapping", config_.logit_soft_cap}};
    const bool usual = family_.attention_soft_cap > 0;
    for (const auto& [name, cap] : caps) {
      if (cap > 0 && !scaled) return Unsupported(name, "has no soft caps");
      if (cap == 0 && usual) return Unsupported(name, "always has soft caps");
      if (scaled) json_[name] = cap > 0 ? Json(Shortest(cap)) : Json(nullptr);
    }
    return absl::OkStatus();
  }

  absl::Status WriteRope() {
    json_["rope_theta"] = Shortest(config_.rope_base);
    if (config_.rope_dim != config_.head_dim) {
      if (!class_.partial_rotary) {
        return Unsupported("rope.dimension_count", "rotates all dimensions of a head");
      }
      json_["partial_rotary_factor"] = RotatedShare();
    }
    // Phi-3 says it whether it is stretched or not.
    if (class_.partial_rotary) {
      json_["original_max_position_embeddings"] = config_.rope_original_context;
    }
    json_["rope_scaling"] = nullptr;
    return WriteScaling(&json_["rope_scaling"]);
  }

  /// A share of head_dim whose product, rounded down, is rope_dim.
  double RotatedShare() const {
    double share = double{static_cast<double>(config_.rope_dim)} / config_.head_dim;
    if (static_cast<int32_t>(config_.head_dim * share) < config_.rope_dim) {
      share = std::nextafter(share, 1.0);
    }
    return share;
  }

  absl::Status WriteScaling(Json* scaling) const {
    const bool sharpened = config_.yarn_attn_factor != 1;
    if (!config_.long_rope_factors.empty()) {
      WriteLongRope(scaling);
      return absl::OkStatus();
    }
    if (config_.rope_scaling == RopeScaling::kYarn) return WriteYarn(scaling);
    if (sharpened) {
      return Unsupported("rope.scaling.attn_factor", "has it with YaRN and LongRoPE only");
    }
    if (config_.rope_scaling == RopeScaling::kLlama3) return WriteLlama3(scaling);
    if (config_.rope_scaling == RopeScaling::kNone) return absl::OkStatus();
    QUANTD_RETURN_IF_ERROR(RefuseDivisors());
    *scaling = {{"rope_type", "linear"}, {"factor", Shortest(config_.rope_factor)}};
    return absl::OkStatus();
  }

  absl::Status RefuseDivisors() const {
    if (config_.rope_factors.empty()) return absl::OkStatus();
    return Unsupported("tensor rope_freqs.weight", "has no such divisors with another scaling");
  }

  absl::Status WriteYarn(Json* scaling) const {
    QUANTD_RETURN_IF_ERROR(RefuseDivisors());
    if (config_.yarn_ext_factor != 1) {
      return Unsupported("rope.scaling.yarn_ext_factor", "takes it for 1");
    }
    *scaling = {{"rope_type", "yarn"},
                {"factor", Shortest(config_.rope_factor)},
                {"original_max_position_embeddings", config_.rope_original_context},
                {"beta_fast", Shortest(config_.yarn_beta_fast)},
                {"beta_slow", Shortest(config_.yarn_beta_slow)}};
    if (config_.yarn_attn_factor != 1) {
      const double usual = 1 + 0.1 * std::log(double{config_.rope_factor});
      (*scaling)["attention_factor"] = Shortest(config_.yarn_attn_factor) * usual;
    }
    return absl::OkStatus();
  }

  absl::Status WriteLlama3(Json* scaling) const {
    const std::optional<Llama3Scaling> found =
        FindLlama3Scaling(config_.rope_factors, config_.rope_base);
    if (!found) {
      return Unsupported("tensor rope_freqs.weight",
                         "has no scaling with these divisors; they are not those of Llama 3");
    }
    *scaling = {{"rope_type", "llama3"},
                {"factor", Shortest(found->factor)},
                {"low_freq_factor", Shortest(found->low)},
                {"high_freq_factor", Shortest(found->high)},
                {"original_max_position_embeddings", found->original_context}};
    return absl::OkStatus();
  }

  /// Its first three members are all that older versions of transformers take from Phi-3.
  void WriteLongRope(Json* scaling) const {
    const auto list = [](const std::vector<float>& factors) {
      Json values = Json::array();
      for (const float factor : factors) values.push_back(Shortest(factor));
      return values;
    };
    *scaling = {{"type", "longrope"},
                {"short_factor", list(config_.rope_factors)},
                {"long_factor", list(config_.long_rope_factors)}};
    if (!class_.partial_rotary) {
      (*scaling)["original_max_position_embeddings"] = config_.rope_original_context;
    }
    const double original = config_.rope_original_context;
    const double stretched = config_.long_context / original;
    const double usual = stretched <= 1 || original <= 1
                             ? 1
                             : std::sqrt(1 + std::log(stretched) / std::log(original));
    if (config_.yarn_attn_factor != static_cast<float>(usual)) {
      (*scaling)["attention_factor"] = Shortest(config_.yarn_attn_factor);
    }
  }

  absl::Status WriteExperts() {
    if (config_.experts == 0) return absl::OkStatus();
    const bool mixtral = class_.model_type == absl::string_view("mixtral");
    json_[mixtral ? "num_local_experts" : "num_experts"] = config_.experts;
    json_["num_experts_per_tok"] = config_.experts_used;
    if (mixtral) return absl::OkStatus();
    json_["moe_intermediate_size"] = config_.expert_ff;
    json_["norm_topk_prob"] = config_.normalize_experts;
    json_["decoder_sparse_step"] = config_.expert_period;
    json_["mlp_only_layers"] = config_.dense_layers;
    return absl::OkStatus();
  }

  const ModelConfig& config_;
  const Checkpoint& checkpoint_;
  const Family& family_;
  const HfClass& class_;
  Json json_;
};

}  // namespace

absl::StatusOr<std::string> WriteHfHyperParameters(const ModelConfig& config,
                                                   const Checkpoint& checkpoint) {
  QUANTD_CHECK(FindGgufFamily(config.architecture) != nullptr, "a configuration is of a family");
  return ConfigWriter(config, checkpoint).Write();
}

}  // namespace quantd
