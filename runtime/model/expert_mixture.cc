#include "runtime/model/expert_mixture.h"

#include <algorithm>

namespace quantd {
namespace {

// Rows that a thread takes at once of what is done row by row.
constexpr int64_t kRowGrain = 1;

}  // namespace

std::vector<ExpertShare> ChooseExperts(const OpTable& ops, absl::Span<float> scores, int32_t used,
                                       bool normalize) {
  ops.softmax(scores.data(), static_cast<int64_t>(scores.size()));
  std::vector<ExpertShare> shares;
  for (size_t i = 0; i < scores.size(); ++i) {
    shares.push_back({static_cast<int32_t>(i), scores[i]});
  }
  std::partial_sort(shares.begin(), shares.begin() + used, shares.end(),
                    [](const ExpertShare& a, const ExpertShare& b) {
                      return a.weight != b.weight ? a.weight > b.weight : a.expert < b.expert;
                    });
  shares.resize(static_cast<size_t>(used));
  float sum = 0;
  for (const ExpertShare& share : shares) sum += share.weight;
  std::sort(shares.begin(), shares.end(),
            [](const ExpertShare& a, const ExpertShare& b) { return a.expert < b.expert; });
  for (ExpertShare& share : shares) share.weight /= normalize ? sum : 1.0f;
  return shares;
}

ExpertMixture::ExpertMixture(const ModelConfig& config, const KernelSet& kernels, ThreadPool& pool)
    : config_(config), kernels_(kernels), ops_(kernels.ops()), pool_(pool) {
  gathered_.cols = given_.cols = config.dim;
  gate_.cols = up_.cols = config.expert_ff;
}

void ExpertMixture::Gather(const WorkMatrix& x, int64_t rows, const WorkMatrix& scores) {
  by_row_.assign(static_cast<size_t>(rows), {});
  first_.assign(static_cast<size_t>(config_.experts) + 1, 0);
  for (int64_t row = 0; row < rows; ++row) {
    const absl::Span<float> own(scores.row(row), static_cast<size_t>(config_.experts));
    for (const ExpertShare& share :
         ChooseExperts(ops_, own, config_.experts_used, config_.normalize_experts)) {
      by_row_[static_cast<size_t>(row)].push_back({share.expert, 0, share.weight});
      ++first_[static_cast<size_t>(share.expert) + 1];
    }
  }
  for (size_t i = 1; i < first_.size(); ++i) first_[i] += first_[i - 1];
  for (WorkMatrix* matrix : {&gathered_, &gate_, &up_, &given_}) matrix->Reserve(first_.back());
  std::vector<int64_t> next = first_;
  for (int64_t row = 0; row < rows; ++row) {
    for (Place& place : by_row_[static_cast<size_t>(row)]) {
      place.place = next[static_cast<size_t>(place.expert)]++;
      std::copy_n(x.row(row), x.cols, gathered_.row(place.place));
    }
  }
}

void ExpertMixture::Multiply(const LayerWeights& layer, Linear FeedForward::*linear,
                             const WorkMatrix& in, const WorkMatrix& out,
                             const InputObserver& observer) {
  std::vector<GemmGroup> groups;
  for (size_t expert = 0; expert + 1 < first_.size(); ++expert) {
    const int64_t first = first_[expert], count = first_[expert + 1] - first;
    if (count == 0) continue;
    const PackedWeight& weight = (layer.experts[expert].*linear).weight;
    if (observer) observer(weight, in.row(first), count, in.cols);
    groups.push_back({&weight, first, count, out.row(first), out.cols});
  }
  activations_.Set(in.row(0), first_.back(), in.cols, in.cols);
  RunGroupedGemm(kernels_, activations_, groups, pool_);
}

void ExpertMixture::Run(const LayerWeights& layer, const WorkMatrix& x, int64_t rows,
                        const WorkMatrix& scores, const WorkMatrix& delta,
                        const InputObserver& observer) {
  Gather(x, rows, scores);
  Multiply(layer, &FeedForward::gate, gathered_, gate_, observer);
  Multiply(layer, &FeedForward::up, gathered_, up_, observer);
  const auto gate = config_.activation == Activation::kSilu ? ops_.swiglu : ops_.geglu;
  pool_.ParallelFor(first_.back(), kRowGrain, [&](int64_t begin, int64_t end, int) {
    gate(gate_.row(begin), up_.row(begin), (end - begin) * gate_.cols, gate_.row(begin));
  });
  Multiply(layer, &FeedForward::down, gate_, given_, observer);
  pool_.ParallelFor(rows, kRowGrain, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      float* const sum = delta.row(row);
      std::fill_n(sum, delta.cols, 0.0f);
      for (const Place& place : by_row_[static_cast<size_t>(row)]) {
        const float* const given = given_.row(place.place);
        for (int64_t i = 0; i < delta.cols; ++i) sum[i] += place.weight * given[i];
      }
    }
  });
}

}  // namespace quantd
