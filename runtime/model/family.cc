#include "runtime/model/family.h"

#include <algorithm>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace quantd {
namespace {

constexpr PartName kLlamaParts[] = {
    {"token_embd", "model.embed_tokens"},
    {"output", "lm_head"},
    {"output_norm", "model.norm"},
    {"blk.*.attn_norm", "model.layers.*.input_layernorm"},
    {"blk.*.ffn_norm", "model.layers.*.post_attention_layernorm"},
    {"blk.*.attn_q", "model.layers.*.self_attn.q_proj"},
    {"blk.*.attn_k", "model.layers.*.self_attn.k_proj"},
    {"blk.*.attn_v", "model.layers.*.self_attn.v_proj"},
    {"blk.*.attn_output", "model.layers.*.self_attn.o_proj"},
    {"blk.*.ffn_gate", "model.layers.*.mlp.gate_proj"},
    {"blk.*.ffn_up", "model.layers.*.mlp.up_proj"},
    {"blk.*.ffn_down", "model.layers.*.mlp.down_proj"},
};

// Mistral differs by its window; see ReadHfHyperParameters.
constexpr const char* kLlamaTypes[] = {"llama", "mistral"};

constexpr Family kFamilies[] = {
    {"llama", kLlamaTypes, /*gguf_rope_adjacent=*/true, kLlamaParts},
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
  const auto part = std::find_if(family.parts.begin(), family.parts.end(),
                                 [&](const PartName& row) { return pattern == row.*from; });
  if (part == family.parts.end()) return std::nullopt;
  components = absl::StrSplit(absl::string_view((*part).*to), '.');
  size_t next = 0;
  for (absl::string_view& component : components) {
    if (component == "*" && next < numbers.size()) component = numbers[next++];
  }
  return absl::StrJoin(components, ".");
}

}  // namespace

absl::Span<const Family> Families() { return kFamilies; }

const Family* FindGgufFamily(absl::string_view architecture) {
  for (const Family& family : kFamilies) {
    if (architecture == family.architecture) return &family;
  }
  return nullptr;
}

const Family* FindHfFamily(absl::string_view model_type) {
  for (const Family& family : kFamilies) {
    if (absl::c_linear_search(family.hf_model_types, model_type)) return &family;
  }
  return nullptr;
}

std::optional<std::string> OurPartName(const Family& family, absl::string_view hf) {
  return Translate(family, hf, &PartName::hf, &PartName::ours);
}

std::optional<std::string> HfPartName(const Family& family, absl::string_view ours) {
  return Translate(family, ours, &PartName::ours, &PartName::hf);
}

}  // namespace quantd
