#ifndef QUANTD_RUNTIME_MODEL_FAMILY_H_
#define QUANTD_RUNTIME_MODEL_FAMILY_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/model/model_config.h"

namespace quantd {

/// What a part of a model is called here (as in GGUF) and in checkpoints of Hugging Face, without
/// ".weight" and ".bias". A "*" stands for a number, that of a layer, the same in both names. Where
/// our name ends in one, it is that of an expert: those of a layer are one tensor of ours.
struct PartName {
  const char* ours;
  const char* hf;
};

/// A model_type of config.json, and what its class in transformers can compute beside what all can.
struct HfClass {
  const char* model_type;
  const char* architecture;  ///< of config.json: "LlamaForCausalLM"
  enum class Biases : uint8_t {
    kNone,
    kOfQkv,             ///< Q, K and V always have them
    kOfAttention,       ///< Q, K, V and the output have them, or none (attention_bias)
    kOfAttentionOrMlp,  ///< and the same for the feed-forward block (mlp_bias)
  } biases = Biases::kNone;
  enum class Windows : uint8_t {
    kNone,
    kAllLayers,  ///< all layers have a window, or none
    kByLayer,    ///< layer_types says which have one
  } windows = Windows::kNone;
  bool optional_window = false;  ///< used only if use_sliding_window says so
  bool partial_rotary = false;   ///< partial_rotary_factor: some dimensions are not rotated
};

/// What distinguishes the families that share the Llama layer. ONE row per family in the table,
/// whichever container a model comes in.
struct Family {
  const char* architecture;  ///< general.architecture of GGUF, and the prefix of its keys
  absl::Span<const HfClass> hf_classes;
  /// GGUF's converter permutes the rows of Q and K so that neighbours (2i, 2i + 1) are rotated
  /// together. Checkpoints of Hugging Face are as the model was trained: halves are rotated, in
  /// every family. Nothing else knows of the permutation; the forward pass does either.
  bool gguf_rope_adjacent = false;
  absl::Span<const absl::Span<const PartName>> parts;  ///< in groups

  // What the layer has that Llama's has not; as in ModelConfig.
  Activation activation = Activation::kSilu;
  bool qk_norm = false, post_norms = false;
  bool fused = false;            ///< Q, K and V are one tensor; gate and up too
  bool scale_embedding = false;  ///< by the root of the width
  /// Norms of Hugging Face multiply by 1 + weight; GGUF's converter has added it.
  bool hf_norms_add_one = false;
  // Where the file does not say it.
  int32_t window = 0, window_period = 0;
  float local_rope_base = 0, attention_soft_cap = 0, logit_soft_cap = 0;
  /// The largest model, known by its layers, scales attention by width / heads; GGUF has no key.
  int32_t large_layers = 0;
};

/// Sets what a family says about its layers, whatever the container.
void SetFamily(const Family& family, ModelConfig* config);

absl::Span<const Family> Families();

/// Null if the family is unknown.
const Family* FindGgufFamily(absl::string_view architecture);
const Family* FindHfFamily(absl::string_view model_type);
/// Every model_type of config.json that a family has: "llama, mistral, ...".
std::string HfModelTypes();
/// The class that computes what `config` says: the family's only one or, of Llama's relatives, by
/// window and experts.
const HfClass& HfClassOf(const Family& family, const ModelConfig& config);

/// Whether Hugging Face has the tensor that we call `name` less one (Family::hf_norms_add_one).
bool HfNormLacksOne(const Family& family, absl::string_view name);

/// Our name of a part that Hugging Face calls `hf` ("model.layers.3.mlp.up_proj" ->
/// "blk.3.ffn_up"); nothing if the family has no such part. HfPartName is its inverse.
std::optional<std::string> OurPartName(const Family& family, absl::string_view hf);
std::optional<std::string> HfPartName(const Family& family, absl::string_view ours);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_FAMILY_H_
