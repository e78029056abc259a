#ifndef QUANTD_RUNTIME_MODEL_FORWARD_H_
#define QUANTD_RUNTIME_MODEL_FORWARD_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "kernels/base/aligned_buffer.h"
#include "kernels/kernel_set.h"
#include "runtime/model/batch.h"
#include "runtime/model/model_config.h"
#include "runtime/model/rope_table.h"
#include "runtime/model/weights.h"

namespace quantd {

/// The forward pass of the Llama family over a batch of rows (Touvron et al. 2023): in each layer
/// attention and a gated feed-forward block, each normalized before and added to the row. Holds the
/// workspace, which only grows; borrows everything else. Not thread-safe.
///
/// A row's result depends on nothing but its own tokens: each operation computes a row in one fixed
/// order, wherever the row stands and whichever thread takes it.
class ForwardPass {
 public:
  ForwardPass(const ModelConfig& config, const Weights& weights, const KernelSet& kernels,
              ThreadPool& pool);

  /// See Model::ObserveInputs; a matrix is named by its address.
  using InputObserver = std::function<void(const PackedWeight& matrix, const float* rows,
                                           int64_t count, int64_t cols)>;
  void ObserveInputs(InputObserver observer) { observer_ = std::move(observer); }

  /// See Model::Forward.
  void Run(const Batch& batch, const KvView& kv, absl::Span<float> logits);

 private:
  /// A dense matrix of the workspace, [rows, cols].
  struct Matrix {
    AlignedBuffer buffer;
    int64_t cols = 0;
    float* row(int64_t r) const { return buffer.as<float>() + r * cols; }
  };
  /// One product of Multiply: out = linear(x).
  struct Product {
    const Linear* linear;
    Matrix* out;
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
  void Multiply(const Matrix& x, std::initializer_list<Product> products);
  void RotateAndStore(int32_t layer);
  void Attend(int32_t layer);
  void Gate();
  void AddAndNormalize(const std::vector<float>& norm);
  void KeepRows(const std::vector<int32_t>& rows);
  /// Calls body(row) for each row, over the threads when `floats` per row make that worth it.
  void ForRows(int64_t rows, int64_t floats, absl::FunctionRef<void(int64_t row)> body);

  const ModelConfig& config_;
  const Weights& weights_;
  const KernelSet& kernels_;
  const OpTable& ops_;
  ThreadPool& pool_;
  RopeTable rope_;

  // Of the step that runs.
  int64_t rows_ = 0;  // the batch's; behind the last attention those of logit_rows
  KvView kv_;
  std::vector<RowPlace> places_;              // [rows]
  std::vector<AttentionSequence> sequences_;  // as in the batch

  // Row vectors: the residual stream, its normalized form, what a block adds to the stream.
  Matrix x_, normed_, delta_;
  Matrix q_, k_, v_, attended_, gate_, up_;
  Activations activations_;
  InputObserver observer_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_FORWARD_H_
