#ifndef QUANTD_RUNTIME_CONVERT_FOLDER_SOURCE_H_
#define QUANTD_RUNTIME_CONVERT_FOLDER_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kernels/base/thread_pool.h"
#include "runtime/convert/folder_schemes.h"
#include "runtime/convert/input_statistics.h"
#include "runtime/convert/output_folder.h"
#include "runtime/convert/quantize_model.h"
#include "runtime/formats/dtype.h"
#include "runtime/model/family.h"

namespace quantd {

/// A tensor of the folder that a model is, or would be.
struct FolderTensor {
  std::string name;  ///< "model.layers.3.mlp.up_proj.weight"
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;  ///< the last dimension is contiguous
  std::string scheme;          ///< how the source stores it: "F16", "Q8_0"
  uint64_t stored_bytes = 0;   ///< in the source

  int64_t elements() const;
};

/// A linear module whose weight is going to be quantized.
struct FolderModule {
  std::string name;  ///< "model.layers.3.mlp.up_proj"
  std::string part;  ///< our name of it within its layer: "ffn_up", or "ffn_up_exps.7"
  int32_t layer = 0;
  int64_t n = 0, k = 0;
  const FolderTensor* weight = nullptr;

  /// The matrix of the model that reads the same input: the same for all modules that share one.
  InputName input;
  bool expert = false;  ///< one of a mixture
};

/// A model in full precision, opened to be quantized to a folder: a folder of Hugging Face, or a
/// GGUF file seen as one. Immutable, thread-safe.
class FolderSource {
 public:
  /// Errors: those of HfConfig::Open and SafetensorsModel::Open, or of GgufFolderSource::Open;
  /// INVALID_ARGUMENT if the model is quantized already, but for a GGUF file with `requantize`;
  /// UNIMPLEMENTED for a family that is not known.
  static absl::StatusOr<std::unique_ptr<FolderSource>> Open(const std::string& path,
                                                            bool requantize = false);
  virtual ~FolderSource() = default;

  const std::string& path() const { return path_; }
  const Family& family() const { return *family_; }
  const std::vector<FolderTensor>& tensors() const { return tensors_; }
  const FolderTensor* Find(absl::string_view name) const;
  /// The linear modules of the layers, by layer, but for those that pick experts: errors there
  /// would be those of the choice.
  const std::vector<FolderModule>& modules() const { return modules_; }
  /// The linear modules that are not quantized: lm_head and those that pick experts.
  const std::vector<std::string>& skipped() const { return skipped_; }
  /// What the folder will not do as the source does, each "FILE: FIELD: what".
  const std::vector<std::string>& notes() const { return notes_; }

  /// OK if every module can be stored in the scheme; else INVALID_ARGUMENT naming tensor and
  /// setting, and what would do.
  absl::Status CheckFits(const FolderScheme& scheme, const FolderSettings& settings) const;

  /// The bytes of a tensor, of its dtype and shape: those of the source, or made in `buffer`, which
  /// must then live as long. What is lost by that is added to the errors of `result`. Errors:
  /// DATA_LOSS naming the tensor.
  virtual absl::StatusOr<absl::Span<const uint8_t>> ReadBytes(const FolderTensor& tensor,
                                                              std::vector<uint8_t>* buffer,
                                                              QuantizedTensor* result) const = 0;
  /// The values of a norm or a bias.
  virtual absl::StatusOr<std::vector<float>> ReadFloats(const FolderTensor& tensor) const = 0;
  /// The weights of a module, [n, k].
  virtual absl::StatusOr<std::vector<float>> ReadWeights(const FolderModule& module,
                                                         ThreadPool& pool) const = 0;
  /// Tells the system that the tensor's data will not be read soon.
  virtual void GiveBack(const FolderTensor& tensor) const = 0;

  /// The text of config.json, an object, of the model in full precision.
  virtual absl::StatusOr<std::string> ReadConfig() const = 0;
  /// Writes what a model's folder holds beside its weights and config.json.
  virtual absl::Status WriteSideFiles(const OutputFolder& folder) const = 0;

  /// An error of the source: "PATH: FIELD: what".
  absl::Status Error(absl::string_view field, absl::string_view what) const;

 protected:
  FolderSource(std::string path, const Family& family) : path_(std::move(path)), family_(&family) {}
  /// Takes all tensors and finds the modules among them. Positions in tensors() are what subclasses
  /// know them by. Errors: DATA_LOSS if there are no modules.
  absl::Status SetTensors(std::vector<FolderTensor> tensors);
  void SetNotes(std::vector<std::string> notes) { notes_ = std::move(notes); }
  size_t Index(const FolderTensor& tensor) const { return &tensor - tensors_.data(); }

 private:
  const std::string path_;
  const Family* const family_;
  std::vector<FolderTensor> tensors_;
  absl::flat_hash_map<std::string, size_t> index_;
  std::vector<FolderModule> modules_;
  std::vector<std::string> skipped_, notes_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_FOLDER_SOURCE_H_
