#ifndef QUANTD_RUNTIME_MODEL_WEIGHTS_H_
#define QUANTD_RUNTIME_MODEL_WEIGHTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/kernel_set.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/model.h"
#include "runtime/model/model_config.h"

namespace quantd {

/// y = W x + bias: a packed matrix [n, k] and, where the file has one, its bias [n].
struct Linear {
  PackedWeight weight;
  std::vector<float> bias;  ///< empty: none
};

/// A gated feed-forward block.
struct FeedForward {
  Linear gate, up, down;  ///< [ff, dim] twice, [dim, ff]
};

/// What a family has not is empty.
struct LayerWeights {
  std::vector<float> attn_norm, ffn_norm;            ///< [dim]
  std::vector<float> attn_post_norm, ffn_post_norm;  ///< [dim], of what the block adds
  std::vector<float> q_norm, k_norm;                 ///< [head_dim]
  Linear q, k, v, o;                 ///< [q_dim | kv_dim | kv_dim, dim], [dim, q_dim]
  FeedForward ffn;                   ///< empty with experts
  Linear router;                     ///< [experts, dim]
  std::vector<FeedForward> experts;  ///< empty: none
};

/// All weights of a model. Immutable after LoadWeights.
struct Weights {
  PackedWeight embedding;                  ///< [vocab, dim]
  std::optional<PackedWeight> own_output;  ///< [vocab, dim]; without it the embedding serves
  std::vector<float> output_norm;          ///< [dim]
  std::vector<LayerWeights> layers;

  const PackedWeight& output() const { return own_output ? *own_output : embedding; }
};

/// Tensors that are read with the hyper-parameters.
inline constexpr char kRopeFactors[] = "rope_freqs.weight";
inline constexpr char kShortRopeFactors[] = "rope_factors_short.weight";
inline constexpr char kLongRopeFactors[] = "rope_factors_long.weight";

/// A tensor that the model's hyper-parameters imply.
struct TensorSpec {
  std::string name;
  int64_t rows = 1;  ///< 1 for a vector
  int64_t cols = 0;
  bool vector = false;    ///< one-dimensional, kept as floats; else a matrix, packed
  bool optional = false;  ///< used if present
  int64_t parts = 1;      ///< rows are those of so many matrices of one size (experts)
};

/// The tensors of a model, in the order in which they are loaded and reported.
std::vector<TensorSpec> ModelTensors(const ModelConfig& config);

/// Checks that `checkpoint` holds the tensors of `config` with their shapes, and none besides that
/// would change the result. Errors: DATA_LOSS naming the tensor; UNIMPLEMENTED for one that this
/// build has no use for.
absl::Status ValidateTensors(const Checkpoint& checkpoint, const ModelConfig& config);

/// What a matrix holds after it was loaded, before any decoding to floats: options.quantize_to or
/// its own format. The matrix that picks experts is never quantized, since its errors would be
/// those of the choice.
QuantFormat LoadedFormat(const CheckpointTensor& tensor, const LoadOptions& options);

/// Reads and packs every tensor; see Model::Load.
absl::StatusOr<Weights> LoadWeights(const Checkpoint& checkpoint, const ModelConfig& config,
                                    const KernelSet& kernels, ThreadPool& pool,
                                    const LoadOptions& options);

/// What became of each matrix of ModelTensors, in that order: one packed matrix, or several that
/// were one tensor. Borrows from `weights`.
std::vector<std::vector<const PackedWeight*>> PackedWeights(const Weights& weights,
                                                            const ModelConfig& config);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_WEIGHTS_H_
