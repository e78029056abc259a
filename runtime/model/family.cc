#include "runtime/model/family.h"

#include <algorithm>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace quantd {
namespace {

// Parts that several families share, in groups.
constexpr PartName kCommon[] = {
    {"token_embd", "model.embed_tokens"},
    {"output", "lm_head"},
    {"output_norm", "model.norm"},
    {"blk.*.attn_norm", "model.layers.*.input_layernorm"},
    {"blk.*.attn_output", "model.layers.*.self_attn.o_proj"},
    {"blk.*.ffn_down", "model.layers.*.mlp.down_proj"},
};
constexpr PartName kSplit[] = {
    {"blk.*.attn_q", "model.layers.*.self_attn.q_proj"},
    {"blk.*.attn_k", "model.layers.*.self_attn.k_proj"},
    {"blk.*.attn_v", "model.layers.*.self_attn.v_proj"},
    {"blk.*.ffn_gate", "model.layers.*.mlp.gate_proj"},
    {"blk.*.ffn_up", "model.layers.*.mlp.up_proj"},
};
constexpr PartName kFused[] = {
    {"blk.*.attn_qkv", "model.layers.*.self_attn.qkv_proj"},
    {"blk.*.ffn_up", "model.layers.*.mlp.gate_up_proj"},
};
constexpr PartName kNorms[] = {
    {"blk.*.ffn_norm", "model.layers.*.post_attention_layernorm"},
};
constexpr PartName kNormsOnBothSides[] = {
    {"blk.*.post_attention_norm", "model.layers.*.post_attention_layernorm"},
    {"blk.*.ffn_norm", "model.layers.*.pre_feedforward_layernorm"},
    {"blk.*.post_ffw_norm", "model.layers.*.post_feedforward_layernorm"},
};
constexpr PartName kQkNorms[] = {
    {"blk.*.attn_q_norm", "model.layers.*.self_attn.q_norm"},
    {"blk.*.attn_k_norm", "model.layers.*.self_attn.k_norm"},
};
constexpr PartName kMixtralExperts[] = {
    {"blk.*.ffn_gate_inp", "model.layers.*.block_sparse_moe.gate"},
    {"blk.*.ffn_gate_exps.*", "model.layers.*.block_sparse_moe.experts.*.w1"},
    {"blk.*.ffn_down_exps.*", "model.layers.*.block_sparse_moe.experts.*.w2"},
    {"blk.*.ffn_up_exps.*", "model.layers.*.block_sparse_moe.experts.*.w3"},
};
constexpr PartName kQwenExperts[] = {
    {"blk.*.ffn_gate_inp", "model.layers.*.mlp.gate"},
    {"blk.*.ffn_gate_exps.*", "model.layers.*.mlp.experts.*.gate_proj"},
    {"blk.*.ffn_down_exps.*", "model.layers.*.mlp.experts.*.down_proj"},
    {"blk.*.ffn_up_exps.*", "model.layers.*.mlp.experts.*.up_proj"},
};
using Group = absl::Span<const PartName>;
constexpr Group kLlamaParts[] = {kCommon, kSplit, kNorms, kMixtralExperts};
constexpr Group kQwen2Parts[] = {kCommon, kSplit, kNorms};
constexpr Group kQwen3Parts[] = {kCommon, kSplit, kNorms, kQkNorms};
constexpr Group kQwen3MoeParts[] = {kCommon, kSplit, kNorms, kQkNorms, kQwenExperts};
constexpr Group kGemma2Parts[] = {kCommon, kSplit, kNormsOnBothSides};
constexpr Group kGemma3Parts[] = {kCommon, kSplit, kNormsOnBothSides, kQkNorms};
constexpr Group kPhi3Parts[] = {kCommon, kFused, kNorms};

// Mistral differs by its window, Mixtral by its experts, which the hyper-parameters tell.
using Biases = HfClass::Biases;
using Windows = HfClass::Windows;
constexpr HfClass kLlamaClasses[] = {
    {.model_type = "llama",
     .architecture = "LlamaForCausalLM",
     .biases = Biases::kOfAttentionOrMlp},
    {.model_type = "mistral", .architecture = "MistralForCausalLM", .windows = Windows::kAllLayers},
    {.model_type = "mixtral", .architecture = "MixtralForCausalLM", .windows = Windows::kAllLayers},
};
constexpr HfClass kQwen2Classes[] = {{.model_type = "qwen2",
                                      .architecture = "Qwen2ForCausalLM",
                                      .biases = Biases::kOfQkv,
                                      .windows = Windows::kByLayer,
                                      .optional_window = true}};
constexpr HfClass kQwen3Classes[] = {{.model_type = "qwen3",
                                      .architecture = "Qwen3ForCausalLM",
                                      .biases = Biases::kOfAttention,
                                      .windows = Windows::kByLayer,
                                      .optional_window = true}};
constexpr HfClass kQwen3MoeClasses[] = {{.model_type = "qwen3_moe",
                                         .architecture = "Qwen3MoeForCausalLM",
                                         .biases = Biases::kOfAttention,
                                         .windows = Windows::kAllLayers,
                                         .optional_window = true}};
constexpr HfClass kGemma2Classes[] = {{.model_type = "gemma2",
                                       .architecture = "Gemma2ForCausalLM",
                                       .biases = Biases::kOfAttention,
                                       .windows = Windows::kByLayer}};
constexpr HfClass kGemma3Classes[] = {{.model_type = "gemma3_text",
                                       .architecture = "Gemma3ForCausalLM",
                                       .biases = Biases::kOfAttention,
                                       .windows = Windows::kByLayer}};
constexpr HfClass kPhi3Classes[] = {{.model_type = "phi3",
                                     .architecture = "Phi3ForCausalLM",
                                     .windows = Windows::kAllLayers,
                                     .partial_rotary = true}};

constexpr Family kFamilies[] = {
    {.architecture = "llama",
     .hf_classes = kLlamaClasses,
     .gguf_rope_adjacent = true,
     .parts = kLlamaParts},
    {.architecture = "qwen2", .hf_classes = kQwen2Classes, .parts = kQwen2Parts},
    {.architecture = "qwen3", .hf_classes = kQwen3Classes, .parts = kQwen3Parts, .qk_norm = true},
    {.architecture = "qwen3moe",
     .hf_classes = kQwen3MoeClasses,
     .parts = kQwen3MoeParts,
     .qk_norm = true},
    {.architecture = "gemma2",
     .hf_classes = kGemma2Classes,
     .parts = kGemma2Parts,
     .activation = Activation::kGeluTanh,
     .post_norms = true,
     .scale_embedding = true,
     .hf_norms_add_one = true,
     .window = 4096,
     .window_period = 2,
     .attention_soft_cap = 50,
     .logit_soft_cap = 30,
     .large_layers = 46},
    {.architecture = "gemma3",
     .hf_classes = kGemma3Classes,
     .parts = kGemma3Parts,
     .activation = Activation::kGeluTanh,
     .qk_norm = true,
     .post_norms = true,
     .scale_embedding = true,
     .hf_norms_add_one = true,
     .window_period = 6,
     .local_rope_base = 10000,
     .large_layers = 62},
    {.architecture = "phi3", .hf_classes = kPhi3Classes, .parts = kPhi3Parts, .fused = true},
};

bool IsNumber(absl::string_view component) {
  return !component.empty() && std::all_of(component.begin(), component.end(), absl::ascii_isdigit);
}

/// The part whose name `from` is `name`, under its name `to`.
std::optional<std::string> Translate(const Family& family, absl::string_view name,
                                     const char* PartName::*from, const char* PartName::*to) {
  std::vector<absl::string_view> components = absl::StrSplit(name, '.'), numbers;
  for (absl::string_view& component : components) {
    if (!IsNumber(component)) continue;
    numbers.push_back(component);
    component = "*";
  }
  const std::string pattern = absl::StrJoin(components, ".");
  const PartName* part = nullptr;
  for (const absl::Span<const PartName> group : family.parts) {
    for (const PartName& row : group) {
      if (pattern == row.*from) part = &row;
    }
  }
  if (part == nullptr) return std::nullopt;
  components = absl::StrSplit(absl::string_view((*part).*to), '.');
  size_t next = 0;
  for (absl::string_view& component : components) {
    if (component == "*" && next < numbers.size()) component = numbers[next++];
  }
  return absl::StrJoin(components, ".");
}

}  // namespace

absl::Span<const Family> Families() { return kFamilies; }

void SetFamily(const Family& family, ModelConfig* config) {
  config->architecture = family.architecture;
  config->activation = family.activation;
  config->qk_norm = family.qk_norm;
  config->post_norms = family.post_norms;
  config->fused_qkv = config->fused_gate_up = family.fused;
}

const Family* FindGgufFamily(absl::string_view architecture) {
  for (const Family& family : kFamilies) {
    if (architecture == family.architecture) return &family;
  }
  return nullptr;
}

const Family* FindHfFamily(absl::string_view model_type) {
  for (const Family& family : kFamilies) {
    for (const HfClass& row : family.hf_classes) {
      if (model_type == row.model_type) return &family;
    }
  }
  return nullptr;
}

std::string HfModelTypes() {
  std::vector<absl::string_view> types;
  for (const Family& family : kFamilies) {
    for (const HfClass& row : family.hf_classes) types.push_back(row.model_type);
  }
  return absl::StrJoin(types, ", ");
}

const HfClass& HfClassOf(const Family& family, const ModelConfig& config) {
  const auto named = [&](absl::string_view type) -> const HfClass& {
    return *absl::c_find_if(family.hf_classes,
                            [&](const HfClass& row) { return row.model_type == type; });
  };
  if (family.hf_classes.size() == 1) return family.hf_classes[0];
  if (config.experts > 0) return named("mixtral");
  return named(config.window > 0 ? "mistral" : "llama");
}

bool HfNormLacksOne(const Family& family, absl::string_view name) {
  return family.hf_norms_add_one && absl::EndsWith(name, "norm.weight");
}

std::optional<std::string> OurPartName(const Family& family, absl::string_view hf) {
  return Translate(family, hf, &PartName::hf, &PartName::ours);
}

std::optional<std::string> HfPartName(const Family& family, absl::string_view ours) {
  return Translate(family, ours, &PartName::ours, &PartName::hf);
}

}  // namespace quantd
