#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/model/family.h"
#include "runtime/model/gguf_hyper_parameters.h"
#include "runtime/model/gguf_keys.h"
#include "runtime/model/weights.h"

namespace quantd {
namespace {

/// Writes the keys "<architecture>.<name>".
class KeyWriter {
 public:
  KeyWriter(const Family& family, GgufWriter* writer)
      : prefix_(absl::StrCat(family.architecture, ".")), writer_(*writer) {}

  void Int(const char* name, int32_t value) {
    writer_.SetUint32(absl::StrCat(prefix_, name), static_cast<uint32_t>(value));
  }
  void Float(const char* name, float value) {
    writer_.SetFloat32(absl::StrCat(prefix_, name), value);
  }
  void String(const char* name, const char* value) {
    writer_.SetString(absl::StrCat(prefix_, name), value);
  }
  /// Keys whose absence means `usual`, and which not every program knows.
  void IntUnless(int32_t usual, const char* name, int32_t value) {
    if (value != usual) Int(name, value);
  }
  void FloatUnless(float usual, const char* name, float value) {
    if (value != usual) Float(name, value);
  }

 private:
  const std::string prefix_;
  GgufWriter& writer_;
};

/// How the scores of attention are scaled follows from the sizes.
absl::Status CheckAttentionScale(const ModelConfig& config, const Family& family,
                                 const std::string& path) {
  const float written = config.layers == family.large_layers
                            ? static_cast<float>(config.dim) / static_cast<float>(config.heads)
                            : static_cast<float>(config.head_dim);
  const float wanted = config.attention_scale_dim > 0 ? config.attention_scale_dim
                                                      : static_cast<float>(config.head_dim);
  if (wanted == written) return absl::OkStatus();
  return UnsupportedError(path, "query_pre_attn_scalar",
                          absl::StrCat(wanted, " has no key in GGUF, whose readers take ", written,
                                       " for these sizes"));
}

void WriteAttention(const ModelConfig& config, const Family& family, KeyWriter* keys) {
  keys->Int(gguf_key::kHeads, config.heads);
  keys->Int(gguf_key::kKvHeads, config.kv_heads);
  keys->Int(gguf_key::kKeyLength, config.head_dim);
  keys->Int(gguf_key::kValueLength, config.head_dim);
  if (config.window > 0 || family.window > 0) keys->Int(gguf_key::kWindow, config.window);
  if (config.window > 0) {
    keys->IntUnless(family.window_period, gguf_key::kWindowPeriod, config.window_period);
    keys->FloatUnless(family.local_rope_base, gguf_key::kLocalRopeBase, config.local_rope_base);
  }
  if (config.attention_soft_cap > 0 || family.attention_soft_cap > 0) {
    keys->Float(gguf_key::kAttentionSoftCap, config.attention_soft_cap);
  }
  if (config.logit_soft_cap > 0 || family.logit_soft_cap > 0) {
    keys->Float(gguf_key::kLogitSoftCap, config.logit_soft_cap);
  }
}

void WriteRope(const ModelConfig& config, KeyWriter* keys) {
  const ModelConfig usual;
  keys->Int(gguf_key::kRopeDim, config.rope_dim);
  keys->Float(gguf_key::kRopeBase, config.rope_base);
  const bool longrope = !config.long_rope_factors.empty();
  switch (config.rope_scaling) {
    case RopeScaling::kNone:
      return;
    case RopeScaling::kLinear:
      keys->String(gguf_key::kScalingType, gguf_key::kScalingLinear);
      keys->Float(gguf_key::kScalingFactor, config.rope_factor);
      return;
    case RopeScaling::kYarn:
      keys->String(gguf_key::kScalingType, gguf_key::kScalingYarn);
      keys->Float(gguf_key::kScalingFactor, config.rope_factor);
      keys->FloatUnless(usual.yarn_ext_factor, gguf_key::kYarnExtFactor, config.yarn_ext_factor);
      keys->FloatUnless(usual.yarn_beta_fast, gguf_key::kYarnBetaFast, config.yarn_beta_fast);
      keys->FloatUnless(usual.yarn_beta_slow, gguf_key::kYarnBetaSlow, config.yarn_beta_slow);
      break;
    case RopeScaling::kLlama3:
      // The vectors say it; "llama3" as a type is not known everywhere.
      if (!longrope) return;
      keys->String(gguf_key::kScalingType, gguf_key::kScalingLongRope);
      break;
  }
  keys->Int(gguf_key::kOriginalContext, config.rope_original_context);
  keys->FloatUnless(usual.yarn_attn_factor, gguf_key::kAttnFactor, config.yarn_attn_factor);
}

absl::Status WriteExperts(const ModelConfig& config, const std::string& path, KeyWriter* keys) {
  if (config.experts == 0) return absl::OkStatus();
  if (!config.normalize_experts) {
    return UnsupportedError(path, "norm_topk_prob",
                            "false has no key in GGUF, whose readers take true");
  }
  for (int32_t layer = 0; layer < config.layers; ++layer) {
    if (config.has_experts(layer)) continue;
    return UnsupportedError(
        path, "mlp_only_layers and decoder_sparse_step",
        absl::StrCat("layer ", layer, " has no experts; in GGUF all layers of this family have"));
  }
  keys->Int(gguf_key::kExperts, config.experts);
  keys->Int(gguf_key::kExpertsUsed, config.experts_used);
  keys->IntUnless(config.ff, gguf_key::kExpertFf, config.expert_ff);
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteGgufHyperParameters(const ModelConfig& config, const std::string& path,
                                      GgufWriter* writer) {
  const Family* family = FindGgufFamily(config.architecture);
  QUANTD_CHECK(family != nullptr, "a configuration is of a family");
  writer->SetString(gguf_key::kArchitecture, config.architecture);
  writer->SetString(gguf_key::kName, config.name);
  KeyWriter keys(*family, writer);
  keys.Int(gguf_key::kVocab, config.vocab);
  keys.Int(gguf_key::kContext, config.long_context > 0 ? config.long_context : config.context);
  keys.Int(gguf_key::kDim, config.dim);
  keys.Int(gguf_key::kLayers, config.layers);
  keys.Int(gguf_key::kFf, config.ff);
  keys.Float(gguf_key::kRmsEps, config.rms_eps);
  QUANTD_RETURN_IF_ERROR(CheckAttentionScale(config, *family, path));
  WriteAttention(config, *family, &keys);
  WriteRope(config, &keys);
  return WriteExperts(config, path, &keys);
}

std::vector<std::pair<std::string, std::vector<float>>> GgufParameterVectors(
    const ModelConfig& config) {
  if (config.rope_factors.empty()) return {};
  if (config.long_rope_factors.empty()) return {{kRopeFactors, config.rope_factors}};
  return {{kShortRopeFactors, config.rope_factors}, {kLongRopeFactors, config.long_rope_factors}};
}

}  // namespace quantd
