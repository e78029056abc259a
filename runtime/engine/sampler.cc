#include "runtime/engine/sampler.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "runtime/engine/row_math.h"

namespace quantd {
namespace {

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input reaches every bit
// of the output.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

bool ChangesLogits(const SampleInput& input) {
  return NeedsCounts(input.params) || !input.params.logit_bias.empty() || !input.banned.empty();
}

void ApplyPenalties(absl::Span<float> logits, const SampleInput& input) {
  const SamplingParams& params = input.params;
  for (const auto& [id, count] : input.counts.output()) {
    float& logit = logits[id];
    logit = logit > 0 ? logit / params.repetition_penalty : logit * params.repetition_penalty;
    if (count > 0) logit -= params.frequency_penalty * count + params.presence_penalty;
  }
}

void ChangeLogits(absl::Span<float> logits, const SampleInput& input) {
  if (NeedsCounts(input.params)) ApplyPenalties(logits, input);
  for (const auto& [id, bias] : input.params.logit_bias) logits[id] += bias;
  for (int32_t id : input.banned) logits[id] = -std::numeric_limits<float>::infinity();
}

absl::Status CheckBest(const RowBest& best, int64_t index) {
  if (!best.valid) {
    return absl::InternalError(
        absl::StrCat("the model gave NaN or infinite logits for token ", index, " of the output"));
  }
  if (best.id < 0) {
    return absl::InternalError(
        absl::StrCat("no token is possible as token ", index, " of the output"));
  }
  return absl::OkStatus();
}

}  // namespace

bool NeedsCounts(const SamplingParams& params) {
  return params.repetition_penalty != 1.0f || params.frequency_penalty != 0.0f ||
         params.presence_penalty != 0.0f;
}

double UniformFor(uint64_t seed, int64_t index) {
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15u;
  // The seed is mixed first, so that nearby seeds are not shifted copies of one stream.
  const uint64_t bits = Mix(Mix(seed + kGolden) + (static_cast<uint64_t>(index) + 1) * kGolden);
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

absl::StatusOr<GeneratedToken> Sampler::Sample(absl::Span<float> logits, const SampleInput& input) {
  RowBest best = FindBest(logits);
  if (absl::Status status = CheckBest(best, input.index); !status.ok()) return status;
  const float raw_best = best.value;
  const bool want_logprobs = input.params.logprobs >= 0;
  if (want_logprobs) raw_.assign(logits.begin(), logits.end());
  if (ChangesLogits(input)) {
    ChangeLogits(logits, input);
    best = FindBest(logits);
    if (absl::Status status = CheckBest(best, input.index); !status.ok()) return status;
  }
  GeneratedToken token;
  token.id = input.params.temperature == 0.0f ? best.id : Draw(logits, best.value, input);
  if (want_logprobs) FillLogprobs(input.params, raw_best, &token);
  return token;
}

int32_t Sampler::Draw(absl::Span<float> logits, float best, const SampleInput& input) {
  const SamplingParams& params = input.params;
  const bool all = (params.top_k == 0 || params.top_k >= static_cast<int64_t>(logits.size())) &&
                   params.top_p == 1.0f;
  const double total =
      ToWeights(logits, best, params.temperature, all ? params.min_p : 0.0f, &block_sums_);
  const double uniform = UniformFor(input.seed, input.index);
  return all ? DrawFromAll(logits, total, uniform)
             : DrawFromCandidates(logits, total, params, uniform);
}

int32_t Sampler::DrawFromAll(absl::Span<const float> weights, double total, double uniform) const {
  double rest = uniform * total;
  size_t block = 0;
  while (block + 1 < block_sums_.size() && rest >= block_sums_[block]) rest -= block_sums_[block++];
  // Rounding may leave a little more than the block holds: its last possible token takes it, or,
  // in a block of zeros at the end, the last one before.
  int32_t last = 0;
  const size_t begin = block * kRowBlock;
  for (size_t i = begin; i < std::min(weights.size(), begin + kRowBlock); ++i) {
    if (weights[i] == 0.0f) continue;
    last = static_cast<int32_t>(i);
    rest -= weights[i];
    if (rest < 0) return last;
  }
  for (size_t i = begin; last == 0 && i-- > 0;) {
    if (weights[i] > 0.0f) last = static_cast<int32_t>(i);
  }
  return last;
}

int32_t Sampler::DrawFromCandidates(absl::Span<const float> weights, double total,
                                    const SamplingParams& params, double uniform) {
  const size_t limit = params.top_k == 0
                           ? weights.size()
                           : std::min(weights.size(), static_cast<size_t>(params.top_k));
  if (params.top_k != 0) {
    SelectBest(weights, limit);
    total = 0;
    for (const Candidate& c : candidates_) total += c.value;
  }
  // Without top-k the nucleus is usually small: look at ever more of the best until they hold it.
  double mass = 0;
  size_t kept = 0;
  for (size_t count = std::min<size_t>(limit, 64);; count = std::min(limit, count * 8)) {
    if (params.top_k == 0) SelectBest(weights, count);
    for (; kept < candidates_.size() && mass < params.top_p * total; ++kept) {
      mass += candidates_[kept].value;
    }
    if (mass >= params.top_p * total || candidates_.size() >= limit) break;
  }
  // The best candidate's weight is 1, so min_p needs no scaling. What is impossible goes too, so
  // that rounding cannot pick it below.
  const auto dropped = [&](const Candidate& c) { return c.value < params.min_p || c.value == 0; };
  while (kept > 1 && dropped(candidates_[kept - 1])) mass -= candidates_[--kept].value;
  double rest = uniform * mass;
  for (size_t i = 0; i + 1 < kept; ++i) {
    rest -= candidates_[i].value;
    if (rest < 0) return candidates_[i].id;
  }
  return candidates_[kept - 1].id;
}

void Sampler::SelectBest(absl::Span<const float> values, size_t count) {
  // A heap whose top is the worst of the best so far; most values fail the first comparison.
  candidates_.clear();
  for (size_t i = 0; i < values.size(); ++i) {
    const Candidate candidate{values[i], static_cast<int32_t>(i)};
    if (candidates_.size() < count) {
      candidates_.push_back(candidate);
      std::push_heap(candidates_.begin(), candidates_.end(), Better);
    } else if (count > 0 && values[i] > candidates_.front().value) {
      std::pop_heap(candidates_.begin(), candidates_.end(), Better);
      candidates_.back() = candidate;
      std::push_heap(candidates_.begin(), candidates_.end(), Better);
    }
  }
  std::sort_heap(candidates_.begin(), candidates_.end(), Better);
}

void Sampler::FillLogprobs(const SamplingParams& params, float best, GeneratedToken* token) {
  const double log_sum = LogSumExp(raw_, best);
  token->logprob = static_cast<float>(raw_[token->id] - log_sum);
  SelectBest(raw_, static_cast<size_t>(params.logprobs));
  for (const Candidate& c : candidates_) {
    token->top.push_back({c.id, static_cast<float>(c.value - log_sum)});
  }
}

}  // namespace quantd
