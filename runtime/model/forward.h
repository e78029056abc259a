#ifndef QUANTD_RUNTIME_MODEL_FORWARD_H_
#define QUANTD_RUNTIME_MODEL_FORWARD_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "kernels/kernel_set.h"
#include "runtime/model/batch.h"
#include "runtime/model/expert_mixture.h"
#include "runtime/model/model_config.h"
#include "runtime/model/rope_table.h"
#include "runtime/model/weights.h"
#include "runtime/model/work_matrix.h"

namespace quantd {

/// The forward pass of all families over a batch of rows: in each layer attention and a gated
/// feed-forward block or a mixture of such, each normalized before and added to the row (Touvron et
/// al. 2023), with what ModelConfig says of the family. Holds the workspace, which only grows;
/// borrows everything else. Not thread-safe.
///
/// A row's result depends on nothing but its own tokens: each operation computes a row in one fixed
/// order, wherever the row stands and whichever thread takes it.
class ForwardPass {
 public:
  ForwardPass(const ModelConfig& config, const Weights& weights, const KernelSet& kernels,
              ThreadPool& pool);

  /// See Model::ObserveInputs; a matrix is named by its address.
  using InputObserver = ExpertMixture::InputObserver;
  void ObserveInputs(InputObserver observer) { observer_ = std::move(observer); }

  /// See Model::Forward.
  void Run(const Batch& batch, const KvView& kv, absl::Span<float> logits);

 private:
  /// One product of Multiply: out = linear(x).
  struct Product {
    const Linear* linear;
    WorkMatrix* out;
  };
  /// Where a row's keys and values go.
  struct RowPlace {
    const int32_t* blocks = nullptr;
    int64_t position = 0;
  };

  void Prepare(const Batch& batch, const KvView& kv);
  void PlaceRows(const Batch& batch);
  void Embed(const Batch& batch);
  void RunLayer(int32_t layer, const std::vector<int32_t>& logit_rows);
  /// Writes a row of an input before the product with it; empty: it is there. Must live until then.
  using RowMaker = std::optional<Activations::RowMaker>;
  void SetInput(const WorkMatrix& x, RowMaker make);
  void Multiply(const WorkMatrix& x, RowMaker make, std::initializer_list<Product> products);
  void RotateAndStore(int32_t layer);
  void NormalizeHeads(int32_t layer, int64_t row);
  void Attend(int32_t layer);
  /// delta_ = the block's share; the row maker is that of normed_.
  void FeedForwardBlock(const LayerWeights& layer, RowMaker make);
  /// Adds a row of delta_ to the stream, itself normalized with `post` unless that is empty.
  void AddDelta(const std::vector<float>& post, int64_t row);
  /// normed_ = the stream normalized with `norm`, of a row.
  void Normalize(const std::vector<float>& norm, int64_t row);
  void KeepRows(const std::vector<int32_t>& rows);
  /// Calls body(row) for each row, over the threads when `floats` per row make that worth it.
  void ForRows(int64_t rows, int64_t floats, absl::FunctionRef<void(int64_t row)> body);

  const ModelConfig& config_;
  const Weights& weights_;
  const KernelSet& kernels_;
  const OpTable& ops_;
  ThreadPool& pool_;
  RopeTable rope_;
  std::optional<RopeTable> local_rope_;  // of layers with a window, where they have their own
  ExpertMixture experts_;

  // Of the step that runs.
  int64_t rows_ = 0;  // the batch's; behind the last attention those of logit_rows
  KvView kv_;
  std::vector<RowPlace> places_;              // [rows]
  std::vector<AttentionSequence> sequences_;  // as in the batch

  // Row vectors: the residual stream, its normalized form, what a block adds to the stream.
  WorkMatrix x_, normed_, delta_;
  WorkMatrix q_, k_, v_, attended_, gate_, up_;
  WorkMatrix scores_;  // of the experts
  Activations activations_;
  InputObserver observer_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_FORWARD_H_
