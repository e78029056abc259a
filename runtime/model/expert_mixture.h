#ifndef QUANTD_RUNTIME_MODEL_EXPERT_MIXTURE_H_
#define QUANTD_RUNTIME_MODEL_EXPERT_MIXTURE_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/kernel_set.h"
#include "runtime/model/model_config.h"
#include "runtime/model/weights.h"
#include "runtime/model/work_matrix.h"

namespace quantd {

/// What one row takes of one expert.
struct ExpertShare {
  int32_t expert = 0;
  float weight = 0;
};

/// The experts that a row goes to: those of the `used` largest probabilities, softmax of
/// `scores`, which is overwritten; of equals the first. In ascending order of the expert, with
/// their probabilities, which sum to 1 if `normalize` says so. Scores that are no numbers give
/// weights that are none.
std::vector<ExpertShare> ChooseExperts(const OpTable& ops, absl::Span<float> scores, int32_t used,
                                       bool normalize);

/// A sparse mixture of feed-forward blocks (Shazeer et al. 2017; Jiang et al. 2024): a router
/// chooses for each row some of the experts, and the row gets the weighted sum of what they give.
/// Rows are gathered by expert, so that each expert's weights are read once in a step. A row's
/// result does not depend on the others: its experts are added up in their order. Holds a
/// workspace; borrows the rest. Not thread-safe.
class ExpertMixture {
 public:
  ExpertMixture(const ModelConfig& config, const KernelSet& kernels, ThreadPool& pool);

  /// Hears of the input of a product before it is computed (Model::ObserveInputs).
  using InputObserver = std::function<void(const PackedWeight& matrix, const float* rows,
                                           int64_t count, int64_t cols)>;
  /// delta[rows, dim] = the layer's mixture of x[rows, dim]; `scores` [rows, experts] is the
  /// router's product, which is overwritten. rows >= 1. `observer`, unless it is empty, hears of
  /// every expert's inputs.
  void Run(const LayerWeights& layer, const WorkMatrix& x, int64_t rows, const WorkMatrix& scores,
           const WorkMatrix& delta, const InputObserver& observer = {});

 private:
  /// Where among the gathered rows one stands for an expert.
  struct Place {
    int32_t expert = 0;
    int64_t place = 0;
    float weight = 0;
  };
  void Gather(const WorkMatrix& x, int64_t rows, const WorkMatrix& scores);
  /// out = the experts' linears of kMember times the gathered rows of `in`.
  void Multiply(const LayerWeights& layer, Linear FeedForward::*linear, const WorkMatrix& in,
                const WorkMatrix& out, const InputObserver& observer);

  const ModelConfig& config_;
  const KernelSet& kernels_;
  const OpTable& ops_;
  ThreadPool& pool_;
  std::vector<std::vector<Place>> by_row_;  // in the order of experts
  std::vector<int64_t> first_;              // [experts + 1] where an expert's gathered rows begin
  WorkMatrix gathered_, gate_, up_, given_;
  Activations activations_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_EXPERT_MIXTURE_H_
