#ifndef QUANTD_RUNTIME_MODEL_MODEL_CONFIG_H_
#define QUANTD_RUNTIME_MODEL_MODEL_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace quantd {

class Checkpoint;

/// Position scaling of the rotary embedding.
enum class RopeScaling : uint8_t { kNone, kLinear, kYarn, kLlama3 };

/// Hyper-parameters of a Llama-family model, validated.
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
  int32_t context = 0;  ///< longest sequence the model was trained for, tokens
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
  bool tied_output = false;  ///< no output.weight: token_embd is used

  int64_t q_dim() const { return int64_t{heads} * head_dim; }
  int64_t kv_dim() const { return int64_t{kv_heads} * head_dim; }
};

/// Reads and validates the hyper-parameters, and that every tensor the model needs is there with
/// the shape they imply. Errors: DATA_LOSS naming key or tensor; UNIMPLEMENTED naming the
/// architecture and those supported.
absl::StatusOr<ModelConfig> ReadModelConfig(const Checkpoint& checkpoint);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_MODEL_CONFIG_H_
