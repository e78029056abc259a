#include "runtime/model/perplexity.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/aligned_buffer.h"
#include "kernels/base/status_macros.h"

namespace quantd {
namespace {

// Rows per forward step: bounds the memory that the logits take.
constexpr int32_t kStepRows = 128;

// A shorter chunk has no token to score.
constexpr int32_t kMinChunk = 3;

// -log softmax(logits)[target].
double NegativeLogLikelihood(absl::Span<const float> logits, int32_t target) {
  const double max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float v : logits) sum += std::exp(v - max);
  return max + std::log(sum) - logits[target];
}

// Reads chunks one after another into the same KV blocks and sums up what they score.
class Scorer {
 public:
  Scorer(Model& model, const PerplexityOptions& options)
      : model_(model), chunk_(options.chunk), vocab_(model.config().vocab) {
    const KvLayout layout = model.kv_layout(options.kv_type);
    const int32_t blocks = (chunk_ + kKvBlockTokens - 1) / kKvBlockTokens;
    kv_memory_ = AlignedBuffer(static_cast<size_t>(blocks * layout.block_bytes()));
    kv_ = {layout, kv_memory_.as<std::byte>()};
    for (int32_t b = 0; b < blocks; ++b) blocks_.push_back(b);
    logits_.resize(static_cast<size_t>(std::min(kStepRows, chunk_)) * vocab_);
  }

  void Score(absl::Span<const int32_t> chunk) {
    for (int32_t begin = 0; begin < chunk_; begin += kStepRows) {
      Step(chunk, begin, std::min(chunk_, begin + kStepRows));
    }
  }

  PerplexityResult Result() const {
    PerplexityResult result;
    const double n = static_cast<double>(count_), mean = sum_ / n;
    result.perplexity = std::exp(mean);
    const double variance = std::max(0.0, squares_ / n - mean * mean);
    result.standard_error = count_ > 1 ? result.perplexity * std::sqrt(variance / (n - 1)) : 0;
    result.tokens_scored = count_;
    return result;
  }

 private:
  void Step(absl::Span<const int32_t> chunk, int32_t begin, int32_t end) {
    Batch batch;
    batch.sequences.push_back({0, 0, end - begin, begin, blocks_});
    for (int32_t p = begin; p < end; ++p) {
      batch.tokens.push_back(chunk[p]);
      batch.positions.push_back(p);
      // The row at p predicts token p + 1.
      if (p >= chunk_ / 2 && p + 1 < chunk_) batch.logit_rows.push_back(p - begin);
    }
    model_.Forward(batch, kv_, absl::MakeSpan(logits_));
    for (size_t i = 0; i < batch.logit_rows.size(); ++i) {
      const absl::Span<const float> row(&logits_[i * vocab_], vocab_);
      const double nll = NegativeLogLikelihood(row, chunk[begin + batch.logit_rows[i] + 1]);
      sum_ += nll;
      squares_ += nll * nll;
      ++count_;
    }
  }

  Model& model_;
  const int32_t chunk_, vocab_;
  AlignedBuffer kv_memory_;
  KvView kv_;
  std::vector<int32_t> blocks_;
  std::vector<float> logits_;
  double sum_ = 0, squares_ = 0;
  int64_t count_ = 0;
};

absl::Status Validate(const ModelConfig& config, absl::Span<const int32_t> tokens,
                      const PerplexityOptions& options) {
  if (options.chunk < kMinChunk || options.chunk > config.context) {
    return absl::InvalidArgumentError(absl::StrCat("chunk: ", options.chunk, " is outside of [",
                                                   kMinChunk, ", ", config.context, "]"));
  }
  if (tokens.size() < static_cast<size_t>(options.chunk)) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokens: ", tokens.size(), " are fewer than a chunk of ", options.chunk));
  }
  const auto known = [&](int32_t id) { return id >= 0 && id < config.vocab; };
  if (!std::all_of(tokens.begin(), tokens.end(), known) || !known(options.bos.value_or(0))) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokens: an id is outside of [0, ", config.vocab, ")"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PerplexityResult> ComputePerplexity(Model& model, absl::Span<const int32_t> tokens,
                                                   const PerplexityOptions& options) {
  QUANTD_RETURN_IF_ERROR(Validate(model.config(), tokens, options));
  Scorer scorer(model, options);
  const int64_t chunks = static_cast<int64_t>(tokens.size()) / options.chunk;
  for (int64_t i = 0; i < chunks; ++i) {
    const absl::Span<const int32_t> part = tokens.subspan(i * options.chunk, options.chunk);
    std::vector<int32_t> chunk(part.begin(), part.end());
    if (options.bos) chunk[0] = *options.bos;
    scorer.Score(chunk);
    if (options.progress && !options.progress(i + 1, chunks)) {
      return absl::CancelledError("perplexity: cancelled");
    }
  }
  PerplexityResult result = scorer.Result();
  result.chunks = chunks;
  if (!std::isfinite(result.perplexity)) {
    return absl::InternalError("perplexity: the model's likelihoods are not finite");
  }
  return result;
}

}  // namespace quantd
