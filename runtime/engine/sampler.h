#ifndef QUANTD_RUNTIME_ENGINE_SAMPLER_H_
#define QUANTD_RUNTIME_ENGINE_SAMPLER_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "runtime/engine/request.h"

namespace quantd {

/// How often each token occurs in a sequence, for the penalties.
class TokenCounts {
 public:
  void AddPrompt(int32_t id) { output_.try_emplace(id, 0); }
  void AddOutput(int32_t id) { ++output_[id]; }
  /// Every token of the sequence; its count is of the output alone, so 0 = in the prompt only.
  const absl::flat_hash_map<int32_t, int32_t>& output() const { return output_; }

 private:
  absl::flat_hash_map<int32_t, int32_t> output_;
};

/// Whether these parameters need TokenCounts.
bool NeedsCounts(const SamplingParams& params);

/// What besides the logits decides on the next token.
struct SampleInput {
  const SamplingParams& params;
  const TokenCounts& counts;         ///< read only if NeedsCounts(params)
  absl::Span<const int32_t> banned;  ///< ids that must not be drawn (stops before min_tokens)
  uint64_t seed = 0;                 ///< of the sequence
  int64_t index = 0;                 ///< of the token in the output, from 0
};

/// Draws tokens. Sample is a pure function of its arguments: the random number depends on seed
/// and index alone, so neither the batch around a sequence nor a recomputation changes its
/// tokens. The object only keeps scratch memory; one thread at a time.
///
/// Order: repetition, frequency and presence penalties, logit bias, temperature, top-k, top-p (of
/// what top-k left), min-p. Log-probabilities are those of the logits as they came.
class Sampler {
 public:
  /// Draws from logits [vocab], which it may overwrite. Greedy takes the lowest id among equals.
  /// Errors: INTERNAL when a logit is NaN or +infinity, or no token has a finite one.
  absl::StatusOr<GeneratedToken> Sample(absl::Span<float> logits, const SampleInput& input);

 private:
  struct Candidate {
    float value;
    int32_t id;
  };
  static bool Better(const Candidate& a, const Candidate& b) {
    return a.value > b.value || (a.value == b.value && a.id < b.id);
  }

  int32_t Draw(absl::Span<float> logits, float best, const SampleInput& input);
  int32_t DrawFromAll(absl::Span<const float> weights, double total, double uniform) const;
  int32_t DrawFromCandidates(absl::Span<const float> weights, double total,
                             const SamplingParams& params, double uniform);
  void FillLogprobs(const SamplingParams& params, float best, GeneratedToken* token);
  void SelectBest(absl::Span<const float> values, size_t count);

  std::vector<Candidate> candidates_;  // best first, after SelectBest
  std::vector<double> block_sums_;
  std::vector<float> raw_;  // the logits as they came, when logprobs are wanted
};

/// The random number in [0, 1) of one token: a counter-based generator, without state.
double UniformFor(uint64_t seed, int64_t index);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_SAMPLER_H_
