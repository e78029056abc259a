#ifndef QUANTD_RUNTIME_MODEL_LINEAR_STACK_H_
#define QUANTD_RUNTIME_MODEL_LINEAR_STACK_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_kernels.h"
#include "runtime/model/model_config.h"

namespace quantd {

/// Bytes of a matrix [n, k] when packed in `format`. Errors: INVALID_ARGUMENT when no kernel takes
/// the format, or k is no multiple of its block.
absl::StatusOr<int64_t> PackedMatrixBytes(const QuantFormat& format, int64_t n, int64_t k);

/// Bytes that the matrices of a model take when all are packed in one format. Errors:
/// INVALID_ARGUMENT naming the row length that is no multiple of the format's groups.
absl::StatusOr<int64_t> PackedModelBytes(const ModelConfig& config, const QuantFormat& format);

/// The matrix products of a model's forward pass and nothing else, on random weights of any
/// format: what speed depends on, without a file. Holds some layers and a part of the output
/// matrix; a real step runs each as often as the model has it. Not thread-safe; `kernels` and
/// `pool` must outlive it.
class LinearStack {
 public:
  /// `layers` to hold, at most those of the model; 0: as many as the last cache cannot keep from
  /// one round to the next. Errors: INVALID_ARGUMENT as PackedModelBytes; RESOURCE_EXHAUSTED when
  /// the system has no memory for them.
  static absl::StatusOr<std::unique_ptr<LinearStack>> Create(const ModelConfig& config,
                                                             const QuantFormat& format,
                                                             int32_t layers,
                                                             const GemmKernels& kernels,
                                                             ThreadPool& pool);

  WeightLayout layout() const { return output_.weights.front().layout; }
  int32_t layers() const { return static_cast<int32_t>(layers_.size()); }
  /// By how much the model's output matrix is larger than the part held here; at least 1.
  double output_scale() const { return output_scale_; }

  /// How products are computed: RunGemm, or another of its kind.
  using Multiply = void (*)(const GemmKernels& kernels, Activations& x,
                            absl::Span<const GemmOutput> outputs, ThreadPool& pool);
  /// All products of one held layer for `rows` tokens, fused as the forward pass fuses them.
  void RunLayer(int32_t layer, int64_t rows, Multiply multiply = RunGemm);
  /// The product of the held part of the output matrix.
  void RunOutput(int64_t rows, Multiply multiply = RunGemm);

 private:
  /// Products that share their input [rows, k].
  struct Call {
    int64_t k = 0;
    std::vector<PackedWeight> weights;
  };
  /// Fills one layer with random weights.
  class Builder;

  LinearStack(const GemmKernels& kernels, ThreadPool& pool) : kernels_(kernels), pool_(pool) {}
  void Run(const Call& call, int64_t rows, Multiply multiply);

  const GemmKernels& kernels_;
  ThreadPool& pool_;
  std::vector<std::vector<Call>> layers_;
  Call output_;
  double output_scale_ = 1;
  int64_t max_k_ = 0, max_n_ = 0;  // of all calls
  Activations activations_;
  std::vector<float> input_;                 // [rows, max_k_], of the most rows so far
  std::vector<std::vector<float>> results_;  // of each product of a call, [rows, max_n_]
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_LINEAR_STACK_H_
