#ifndef QUANTD_RUNTIME_MODEL_MODEL_CONFIG_H_
#define QUANTD_RUNTIME_MODEL_MODEL_CONFIG_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace quantd {

class Checkpoint;

/// Position scaling of the rotary embedding.
enum class RopeScaling : uint8_t { kNone, kLinear, kYarn, kLlama3 };

/// What the gate of a feed-forward block goes through.
enum class Activation : uint8_t { kSilu, kGeluTanh };

/// More experts in a layer would be a mistake.
inline constexpr int32_t kMaxExperts = 4096;

/// Hyper-parameters of a model of the Llama layer and its relatives, validated.
struct ModelConfig {
  std::string architecture;  ///< "llama"
  std::string name;          ///< as the model calls itself; may be empty
  int32_t vocab = 0;
  int32_t dim = 0;  ///< embedding length
  int32_t layers = 0;
  int32_t heads = 0;
  int32_t kv_heads = 0;  ///< divides heads
  int32_t head_dim = 0;
  int32_t ff = 0;       ///< feed-forward length
  int32_t context = 0;  ///< longest sequence the model was trained for, tokens; see UseContext
  float rms_eps = 0;
  int32_t rope_dim = 0;       ///< even, <= head_dim
  bool rope_adjacent = true;  ///< rotate pairs (2i, 2i+1); else halves
  float rope_base = 10000.0f;
  RopeScaling rope_scaling = RopeScaling::kNone;
  float rope_factor = 1.0f;
  int32_t rope_original_context = 0;
  float yarn_ext_factor = 1.0f, yarn_attn_factor = 1.0f, yarn_beta_fast = 32.0f,
        yarn_beta_slow = 1.0f;
  std::vector<float>
      rope_factors;  ///< [rope_dim / 2] frequency divisors (rope_freqs.weight); empty = ones
  /// LongRoPE: divisors for longer sequences, of up to so many tokens. Empty, 0: none.
  std::vector<float> long_rope_factors;
  int32_t long_context = 0;
  bool tied_output = false;  ///< no output.weight: token_embd is used

  // Where the families differ.
  Activation activation = Activation::kSilu;
  bool qk_norm = false;           ///< heads of Q and K are normalized before they are rotated
  bool post_norms = false;        ///< what a block adds to the stream is normalized first
  bool fused_qkv = false;         ///< Q, K and V are one tensor, in this order
  bool fused_gate_up = false;     ///< gate and up are one tensor, in this order
  float embedding_scale = 1.0f;   ///< embeddings are multiplied by it
  float attention_scale_dim = 0;  ///< q.k is divided by its root; 0 = head_dim
  float attention_soft_cap = 0;   ///< of q.k after scaling; 0 = none
  float logit_soft_cap = 0;       ///< 0 = none
  /// Local layers see this many tokens, their own included. 0 = every layer sees all.
  int32_t window = 0;
  /// Every so manieth layer sees all in spite of the window; 0 = none does.
  int32_t window_period = 0;
  float local_rope_base = 0;  ///< of local layers, which then have no scaling; 0 = as the others
  int32_t experts = 0;        ///< feed-forward blocks of a layer to choose from; 0 = one for all
  int32_t experts_used = 0;   ///< of them, for each row
  int32_t expert_ff = 0;      ///< feed-forward length of each
  /// Only every so manieth layer has experts, and none of these, which ascend (their numbers may be
  /// beyond the last). The others have one feed-forward block for all rows.
  int32_t expert_period = 1;
  std::vector<int32_t> dense_layers;
  bool normalize_experts = true;  ///< weights of the chosen experts sum to 1

  bool operator==(const ModelConfig&) const = default;

  /// Sets the context to at most `tokens`; 0 changes nothing. Models with LongRoPE have two sets of
  /// divisors, and rotate all keys of a sequence by one of them. Up to their original context it is
  /// the short one, as in transformers for texts of that length. Only a longer context that is
  /// asked for brings the long one, which then holds for all sequences, short ones too: one that
  /// grows across the border, or shares blocks with a longer one, is as if it had been long from
  /// the start.
  void UseContext(int32_t tokens);

  int64_t q_dim() const { return int64_t{heads} * head_dim; }
  /// Tokens that a row of `layer` sees at most, its own included; 0 = all.
  int32_t window_of(int32_t layer) const {
    const bool global = window_period > 0 && layer % window_period == window_period - 1;
    return global ? 0 : window;
  }
  bool has_experts(int32_t layer) const {
    return experts > 0 && layer % expert_period == expert_period - 1 &&
           !std::binary_search(dense_layers.begin(), dense_layers.end(), layer);
  }
  int64_t kv_dim() const { return int64_t{kv_heads} * head_dim; }
};

/// Reads and validates the hyper-parameters, and that every tensor the model needs is there with
/// the shape they imply. Errors: DATA_LOSS naming key or tensor; UNIMPLEMENTED naming the
/// architecture and those supported.
absl::StatusOr<ModelConfig> ReadModelConfig(const Checkpoint& checkpoint);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_MODEL_CONFIG_H_
