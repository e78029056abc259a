#ifndef QUANTD_RUNTIME_MODEL_PERPLEXITY_H_
#define QUANTD_RUNTIME_MODEL_PERPLEXITY_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/attention/attention.h"
#include "runtime/model/model.h"

namespace quantd {

struct PerplexityOptions {
  int32_t chunk = 256;  ///< tokens per chunk, from 3 to the model's context
  /// Takes the place of each chunk's first token, for models trained with a BOS.
  std::optional<int32_t> bos;
  KvType kv_type = KvType::kF16;
  /// Called after each chunk; returning false cancels.
  std::function<bool(int64_t done_chunks, int64_t total_chunks)> progress;
};

struct PerplexityResult {
  double perplexity = 0;      ///< exp of the mean negative log-likelihood of the scored tokens
  double standard_error = 0;  ///< of the perplexity; 0 for one token
  int64_t tokens_scored = 0;
  int64_t chunks = 0;
};

/// Perplexity of `tokens` in consecutive full chunks, each read on its own; scored are the tokens
/// of the second half of a chunk but its first, so that all have at least chunk / 2 before them
/// (as llama.cpp's perplexity program counts). Errors: INVALID_ARGUMENT for options or token ids
/// out of range or fewer tokens than a chunk; CANCELLED; INTERNAL when the model gives no finite
/// likelihood.
absl::StatusOr<PerplexityResult> ComputePerplexity(Model& model, absl::Span<const int32_t> tokens,
                                                   const PerplexityOptions& options);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_PERPLEXITY_H_
