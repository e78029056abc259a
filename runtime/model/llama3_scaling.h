#ifndef QUANTD_RUNTIME_MODEL_LLAMA3_SCALING_H_
#define QUANTD_RUNTIME_MODEL_LLAMA3_SCALING_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"

namespace quantd {

/// Llama 3.1's scaling of the rotary embedding, as a config.json gives it: pairs that turn less
/// than `low` times within the original context are slowed down by `factor`, those that turn more
/// than `high` times are not, and in between it fades.
struct Llama3Scaling {
  float factor = 1, low = 1, high = 4;  ///< low < high
  int32_t original_context = 0;         ///< tokens
};

/// What the frequency of each of the rope_dim / 2 pairs is divided by, as GGUF keeps it.
std::vector<float> Llama3Factors(const Llama3Scaling& scaling, float rope_base, int32_t rope_dim);

/// The scaling that has these factors, to within a rounding of their computation in float. Several
/// have the same, which then compute the same: the one with Llama's own low and high is preferred.
/// None if they are of another kind.
std::optional<Llama3Scaling> FindLlama3Scaling(absl::Span<const float> factors, float rope_base);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_LLAMA3_SCALING_H_
