#include "runtime/model/perplexity.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"

namespace quantd {
namespace {

// The logarithm of what the softmax of `logits` divides by.
double LogNormalizer(absl::Span<const float> logits) {
  const double max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float v : logits) sum += std::exp(v - max);
  return max + std::log(sum);
}

// Mean and standard error of numbers, as they come.
class Moments {
 public:
  void Add(double value) {
    sum_ += value;
    squares_ += value * value;
    ++count_;
  }
  int64_t count() const { return count_; }
  double mean() const { return sum_ / static_cast<double>(count_); }
  double standard_error() const {
    const double variance = std::max(0.0, squares_ / static_cast<double>(count_) - mean() * mean());
    return count_ > 1 ? std::sqrt(variance / static_cast<double>(count_ - 1)) : 0;
  }

 private:
  double sum_ = 0, squares_ = 0;
  int64_t count_ = 0;
};

absl::StatusOr<PerplexityResult> Perplexity(const Moments& nll, int64_t chunks) {
  PerplexityResult result;
  result.perplexity = std::exp(nll.mean());
  result.standard_error = result.perplexity * nll.standard_error();
  result.tokens_scored = nll.count();
  result.chunks = chunks;
  if (!std::isfinite(result.perplexity)) {
    return absl::InternalError("perplexity: the model's likelihoods are not finite");
  }
  return result;
}

size_t MostLikely(absl::Span<const float> logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

// What CompareModels sums up over the scored tokens.
struct Differences {
  Moments nll, reference_nll, kl;
  std::vector<double> kl_values;
  int64_t agreed = 0;

  void Add(absl::Span<const float> logits, absl::Span<const float> reference, int32_t target) {
    const double log_sum = LogNormalizer(logits), reference_log_sum = LogNormalizer(reference);
    nll.Add(log_sum - logits[target]);
    reference_nll.Add(reference_log_sum - reference[target]);
    double divergence = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      const double log_p = reference[i] - reference_log_sum, log_q = logits[i] - log_sum;
      const double p = std::exp(log_p);
      if (p > 0) divergence += p * (log_p - log_q);
    }
    divergence = std::max(divergence, 0.0);  // below 0 by rounding only
    kl.Add(divergence);
    kl_values.push_back(divergence);
    agreed += MostLikely(logits) == MostLikely(reference);
  }
};

// What a reader can be made for, whatever was asked: ReadChunks says what is wrong with it.
int32_t ReadableChunk(const ChunkOptions& options, const ModelConfig& config) {
  return std::clamp(options.chunk, 1, config.context);
}

}  // namespace

absl::StatusOr<PerplexityResult> ComputePerplexity(Model& model, KvType kv_type,
                                                   absl::Span<const int32_t> tokens,
                                                   const ChunkOptions& options) {
  ChunkReader reader(model, ReadableChunk(options, model.config()), kv_type);
  Moments nll;
  const auto visit = [&] {
    for (int64_t i = 0; i < reader.scored(); ++i) {
      const absl::Span<const float> logits = reader.logits(i);
      nll.Add(LogNormalizer(logits) - logits[reader.target(i)]);
    }
  };
  QUANTD_ASSIGN_OR_RETURN(const int64_t chunks,
                          ReadChunks(model.config(), tokens, options, {&reader}, visit));
  return Perplexity(nll, chunks);
}

absl::StatusOr<ModelComparison> CompareModels(const ComparedModel& model,
                                              const ComparedModel& reference,
                                              absl::Span<const int32_t> tokens,
                                              const ChunkOptions& options) {
  const ModelConfig& config = model.model.config();
  const ModelConfig& other = reference.model.config();
  if (config.vocab != other.vocab) {
    return absl::InvalidArgumentError(
        absl::StrCat("the models have vocabularies of ", config.vocab, " and ", other.vocab,
                     " tokens; only models of one vocabulary can be compared"));
  }
  const ModelConfig& shorter = config.context <= other.context ? config : other;
  const int32_t chunk = ReadableChunk(options, shorter);
  ChunkReader reader(model.model, chunk, model.kv_type);
  ChunkReader reference_reader(reference.model, chunk, reference.kv_type);
  Differences differences;
  const auto visit = [&] {
    for (int64_t i = 0; i < reader.scored(); ++i) {
      differences.Add(reader.logits(i), reference_reader.logits(i), reader.target(i));
    }
  };
  QUANTD_ASSIGN_OR_RETURN(const int64_t chunks, ReadChunks(shorter, tokens, options,
                                                           {&reader, &reference_reader}, visit));
  ModelComparison result;
  QUANTD_ASSIGN_OR_RETURN(result.model, Perplexity(differences.nll, chunks));
  QUANTD_ASSIGN_OR_RETURN(result.reference, Perplexity(differences.reference_nll, chunks));
  std::vector<double>& kl = differences.kl_values;
  const size_t count = kl.size(), percentile = count * 99 / 100;
  result.kl_mean = differences.kl.mean();
  result.kl_standard_error = differences.kl.standard_error();
  std::sort(kl.begin(), kl.end());
  result.kl_99th_percentile = kl[percentile];
  result.kl_max = kl.back();
  result.top1_agreement = static_cast<double>(differences.agreed) / static_cast<double>(count);
  return result;
}

}  // namespace quantd
