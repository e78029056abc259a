#ifndef QUANTD_RUNTIME_MODEL_CHECKPOINT_H_
#define QUANTD_RUNTIME_MODEL_CHECKPOINT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/base/weight_source.h"
#include "runtime/model/model_config.h"

namespace quantd {

class GgufFile;
class HfConfig;

/// A tensor of a checkpoint: a matrix in whatever form it is stored, or a vector.
struct CheckpointTensor {
  std::string name;    ///< as in ModelTensors, "blk.0.attn_q.weight"; else the container's own
  std::string stored;  ///< its name in the container, for messages
  std::string scheme;  ///< how it is stored: "Q4_0", "GPTQ", "BF16"
  QuantFormat format;  ///< what it decodes to; of experts stored apart, what the first does
  std::vector<int64_t> shape;  ///< of the weights; the contiguous dimension (K) first
  uint64_t bytes = 0;          ///< all that it takes in the file, scales and the like included

  int64_t cols() const { return shape.empty() ? 1 : shape[0]; }
  int64_t rows() const;  ///< product of the other dimensions
};

/// A model on disk, opened and checked but not loaded: its hyper-parameters, and its tensors under
/// our names, whichever container they lie in. Immutable, thread-safe. Every error names the file
/// and the field.
class Checkpoint {
 public:
  /// Opens a GGUF file (or the first of a split model), or a folder of Hugging Face's layout, which
  /// may be given by its safetensors file or index too. Errors: NOT_FOUND and the like;
  /// INVALID_ARGUMENT for what is neither file nor folder; DATA_LOSS; UNIMPLEMENTED naming what is
  /// not supported and what would be.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> Open(const std::string& path);
  virtual ~Checkpoint() = default;

  virtual const std::string& path() const = 0;
  virtual uint64_t file_bytes() const = 0;  ///< of all files with tensors
  /// "GGUF v3", "safetensors", and the number of files, for reports.
  virtual std::string container() const = 0;
  virtual size_t file_count() const = 0;

  /// In the order of the files.
  const std::vector<CheckpointTensor>& tensors() const { return tensors_; }
  const CheckpointTensor* Find(absl::string_view name) const;
  /// What the container calls the tensor that we call `name`, present or not.
  virtual std::string StoredName(absl::string_view name) const = 0;

  /// Reads the hyper-parameters; see ReadModelConfig, which also checks them against the tensors.
  virtual absl::StatusOr<ModelConfig> ReadHyperParameters() const = 0;
  /// The key that says how many layers there are.
  virtual std::string LayersKey() const = 0;

  /// The matrices of a tensor of tensors(), one below the other, which borrow the checkpoint: one,
  /// or as many as the container stores apart (experts), all of one size but each with a format and
  /// an order of features of its own. Errors: DATA_LOSS naming the tensor.
  virtual absl::StatusOr<std::vector<std::unique_ptr<WeightSource>>> OpenWeights(
      const CheckpointTensor& tensor) const = 0;
  virtual absl::StatusOr<std::vector<float>> ReadFloats(const CheckpointTensor& tensor) const = 0;
  /// Tells the system that the tensor's data will not be read soon.
  virtual void GiveBack(const CheckpointTensor& tensor) const = 0;

  /// DATA_LOSS "PATH: FIELD: what".
  absl::Status Error(absl::string_view field, absl::string_view what) const;
  /// UNIMPLEMENTED instead: well-formed, but this build cannot do it.
  absl::Status Unsupported(absl::string_view field, absl::string_view what) const;

  /// The container itself; null if it is another.
  virtual const GgufFile* gguf() const { return nullptr; }
  virtual const HfConfig* hf_config() const { return nullptr; }

 protected:
  /// To be called for every tensor; positions in tensors() are what subclasses know it by.
  void Add(CheckpointTensor tensor);
  /// Position of a tensor of tensors().
  size_t Index(const CheckpointTensor& tensor) const { return &tensor - tensors_.data(); }

 private:
  std::vector<CheckpointTensor> tensors_;
  absl::flat_hash_map<std::string, size_t> index_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_CHECKPOINT_H_
