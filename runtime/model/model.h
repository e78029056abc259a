#ifndef QUANTD_RUNTIME_MODEL_MODEL_H_
#define QUANTD_RUNTIME_MODEL_MODEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/kernel_set.h"
#include "runtime/model/batch.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/model_config.h"

namespace quantd {

/// How far a load is: bytes of tensor data packed so far, of how many.
struct LoadProgress {
  uint64_t done_bytes;
  uint64_t total_bytes;
  absl::string_view tensor;  ///< the one being packed
};

struct LoadOptions {
  /// Called from the loading thread after each tensor. Returning false cancels the load.
  std::function<bool(const LoadProgress&)> progress;
  /// Called once with all packed matrices, before the report names their kernels.
  std::function<void(absl::Span<const PackedWeight* const>)> packed;
  /// Quantizes every matrix to this format (QuantizedTo) as it is packed, instead of keeping the
  /// file's: what a file of it would be worth. The file's matrices must be floats.
  std::optional<QuantFormat> quantize_to;
  /// Decodes every matrix, quantized or not, to F32: what its weights are worth in exact
  /// arithmetic. Slow and large; for evaluation.
  bool decode_to_float = false;
  /// As for ModelConfig::UseContext.
  int32_t context = 0;
};

/// What one weight became at load: its format in the file and the kernels that will multiply it.
struct WeightReport {
  std::string name;    ///< tensor name
  std::string format;  ///< "Q4_0"
  int64_t n = 0, k = 0;
  uint64_t file_bytes = 0, packed_bytes = 0;
  std::string decode_kernel;  ///< kernel at m = 1, when the weight was loaded
  std::string batch_kernel;   ///< kernel at m = 32
  std::string isa;            ///< of the decode kernel
  bool native = false;
  std::string how;  ///< why native, or how it is emulated
};

/// A loaded model: packed weights and the forward pass. Weights are immutable; Forward uses an
/// internal workspace, so one thread at a time may call it.
class Model {
 public:
  /// Reads, validates and packs every tensor, giving the files' pages back as it goes. `kernels`
  /// and `pool` must outlive the model; `checkpoint` need not. Errors: DATA_LOSS naming the
  /// tensor, CANCELLED, RESOURCE_EXHAUSTED; INVALID_ARGUMENT naming the tensor that
  /// options.quantize_to does not suit.
  static absl::StatusOr<std::unique_ptr<Model>> Load(const Checkpoint& checkpoint,
                                                     const KernelSet& kernels, ThreadPool& pool,
                                                     const LoadOptions& options);
  ~Model();

  const ModelConfig& config() const;
  KvLayout kv_layout(KvType type) const;
  uint64_t weight_bytes() const;  ///< resident bytes of the packed weights
  std::vector<WeightReport> Report() const;

  /// Runs one step: stores K and V of every row of the batch through `kv`, and writes the logits
  /// of batch.logit_rows to logits [logit_rows, vocab].
  void Forward(const Batch& batch, const KvView& kv, absl::Span<float> logits);

  /// The input of a product: `count` rows of `cols` floats, side by side.
  struct ObservedInput {
    size_t matrix;  ///< that multiplies them, as its place in Report()
    size_t part;  ///< of a matrix that is several: which expert; of fused Q, K and V which of them
    const float* rows;
    int64_t count, cols;
  };
  /// From now on Forward tells `observer` the input of every product, before it computes it. For
  /// calibration; an empty function ends it.
  using InputObserver = std::function<void(const ObservedInput& input)>;
  void ObserveInputs(const InputObserver& observer);

 private:
  Model();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The report of what `kernels` would do with a checkpoint's weights, without loading them
/// (`quantd inspect`). Same order and fields as Model::Report; packed_bytes 0.
absl::StatusOr<std::vector<WeightReport>> ReportWeights(const Checkpoint& checkpoint,
                                                        const KernelSet& kernels);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_MODEL_H_
