#ifndef QUANTD_RUNTIME_MODEL_PERPLEXITY_H_
#define QUANTD_RUNTIME_MODEL_PERPLEXITY_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "runtime/model/chunk_reader.h"

namespace quantd {

struct PerplexityResult {
  double perplexity = 0;      ///< exp of the mean negative log-likelihood of the scored tokens
  double standard_error = 0;  ///< of the perplexity; 0 for one token
  int64_t tokens_scored = 0;
  int64_t chunks = 0;
};

/// Perplexity of `tokens`, read as ReadChunks does. Errors: those of ReadChunks; INTERNAL when the
/// model gives no finite likelihood.
absl::StatusOr<PerplexityResult> ComputePerplexity(Model& model, KvType kv_type,
                                                   absl::Span<const int32_t> tokens,
                                                   const ChunkOptions& options);

/// How far a model's predictions are from those of another, the reference, on a text.
struct ModelComparison {
  PerplexityResult model, reference;
  /// Kullback-Leibler divergence of the model's distribution of the next token from the
  /// reference's, in nats: mean over the scored tokens, its standard error, what one token in a
  /// hundred exceeds, and the largest.
  double kl_mean = 0, kl_standard_error = 0, kl_99th_percentile = 0, kl_max = 0;
  /// Share of the scored tokens for which both find the same next token the most likely.
  double top1_agreement = 0;
};

/// A model with the type of its KV cache.
struct ComparedModel {
  Model& model;
  KvType kv_type;
};

/// Reads `tokens` with both models. Both may be one object's weights loaded in two ways, but not
/// one object. Errors: those of ComputePerplexity; INVALID_ARGUMENT when the vocabularies differ in
/// size.
absl::StatusOr<ModelComparison> CompareModels(const ComparedModel& model,
                                              const ComparedModel& reference,
                                              absl::Span<const int32_t> tokens,
                                              const ChunkOptions& options);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_PERPLEXITY_H_
