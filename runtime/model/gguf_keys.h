#ifndef QUANTD_RUNTIME_MODEL_GGUF_KEYS_H_
#define QUANTD_RUNTIME_MODEL_GGUF_KEYS_H_

namespace quantd::gguf_key {

// How a GGUF file gives the hyper-parameters: "<architecture>.<name>", but for the first two.
inline constexpr char kArchitecture[] = "general.architecture";
inline constexpr char kName[] = "general.name";

inline constexpr char kVocab[] = "vocab_size";
inline constexpr char kContext[] = "context_length";
inline constexpr char kDim[] = "embedding_length";
inline constexpr char kLayers[] = "block_count";
inline constexpr char kFf[] = "feed_forward_length";
inline constexpr char kRmsEps[] = "attention.layer_norm_rms_epsilon";

inline constexpr char kHeads[] = "attention.head_count";
inline constexpr char kKvHeads[] = "attention.head_count_kv";
inline constexpr char kKeyLength[] = "attention.key_length";
inline constexpr char kValueLength[] = "attention.value_length";
inline constexpr char kWindow[] = "attention.sliding_window";
inline constexpr char kWindowPeriod[] = "attention.sliding_window_pattern";
inline constexpr char kAttentionSoftCap[] = "attn_logit_softcapping";
inline constexpr char kLogitSoftCap[] = "final_logit_softcapping";

inline constexpr char kExperts[] = "expert_count";
inline constexpr char kExpertsUsed[] = "expert_used_count";
inline constexpr char kExpertFf[] = "expert_feed_forward_length";
inline constexpr char kExpertGating[] = "expert_gating_func";
inline constexpr char kLeadingDenseLayers[] = "leading_dense_block_count";
inline constexpr char kSharedExperts[] = "expert_shared_count";

inline constexpr char kRopeDim[] = "rope.dimension_count";
inline constexpr char kRopeBase[] = "rope.freq_base";
inline constexpr char kLocalRopeBase[] = "rope.freq_base_swa";
inline constexpr char kOldLinearFactor[] = "rope.scale_linear";
inline constexpr char kScalingType[] = "rope.scaling.type";
inline constexpr char kScalingFactor[] = "rope.scaling.factor";
inline constexpr char kOriginalContext[] = "rope.scaling.original_context_length";
inline constexpr char kAttnFactor[] = "rope.scaling.attn_factor";
inline constexpr char kYarnAttnFactor[] = "rope.scaling.yarn_attn_factor";
inline constexpr char kYarnExtFactor[] = "rope.scaling.yarn_ext_factor";
inline constexpr char kYarnBetaFast[] = "rope.scaling.yarn_beta_fast";
inline constexpr char kYarnBetaSlow[] = "rope.scaling.yarn_beta_slow";

// Values of kScalingType. What the other kinds need are tensors.
inline constexpr char kScalingNone[] = "none";
inline constexpr char kScalingLinear[] = "linear";
inline constexpr char kScalingYarn[] = "yarn";
inline constexpr char kScalingLlama3[] = "llama3";
inline constexpr char kScalingLongRope[] = "longrope";

}  // namespace quantd::gguf_key

#endif  // QUANTD_RUNTIME_MODEL_GGUF_KEYS_H_
