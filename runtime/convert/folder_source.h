#ifndef QUANTD_RUNTIME_CONVERT_FOLDER_SOURCE_H_
#define QUANTD_RUNTIME_CONVERT_FOLDER_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/base/thread_pool.h"
#include "runtime/convert/folder_schemes.h"
#include "runtime/convert/input_statistics.h"
#include "runtime/formats/hf_config.h"
#include "runtime/formats/safetensors_model.h"
#include "runtime/model/family.h"

namespace quantd {

/// A linear module whose weight is going to be quantized.
struct FolderModule {
  std::string name;  ///< "model.layers.3.mlp.up_proj"
  std::string part;  ///< our name of it within its layer: "ffn_up", or "ffn_up_exps.7"
  int32_t layer = 0;
  int64_t n = 0, k = 0;
  const SafetensorsTensor* weight = nullptr;

  /// The matrix of the model that reads the same input: the same for all modules that share one.
  InputName input;
  bool expert = false;  ///< one of a mixture
};

/// The folder of a model in full precision, opened to be quantized. Immutable.
class FolderSource {
 public:
  /// Errors: those of HfConfig::Open and SafetensorsModel::Open; INVALID_ARGUMENT if the model is
  /// quantized already, or a path is no folder; UNIMPLEMENTED for a family that is not known.
  static absl::StatusOr<std::unique_ptr<FolderSource>> Open(const std::string& path);

  const ModelDirectory& directory() const { return directory_; }
  const HfConfig& config() const { return *config_; }
  const Family& family() const { return *family_; }
  const std::vector<const SafetensorsTensor*>& tensors() const { return model_->tensors(); }
  const SafetensorsTensor* Find(absl::string_view name) const { return model_->FindTensor(name); }
  /// The linear modules of the layers, by layer, but for those that pick experts: errors there
  /// would be those of the choice.
  const std::vector<FolderModule>& modules() const { return modules_; }
  /// The linear modules that are not quantized: lm_head and those that pick experts.
  const std::vector<std::string>& skipped() const { return skipped_; }

  /// OK if every module can be stored in the scheme; else INVALID_ARGUMENT naming tensor and
  /// setting, and what would do.
  absl::Status CheckFits(const FolderScheme& scheme, const FolderSettings& settings) const;

  /// The weights of a module, [n, k]. Errors: DATA_LOSS naming the tensor.
  absl::StatusOr<std::vector<float>> ReadWeights(const FolderModule& module,
                                                 ThreadPool& pool) const;

  /// An error of the folder: "PATH: FIELD: what".
  absl::Status Error(absl::string_view field, absl::string_view what) const;

 private:
  explicit FolderSource(ModelDirectory directory) : directory_(std::move(directory)) {}
  void FindModules();

  ModelDirectory directory_;
  std::unique_ptr<HfConfig> config_;
  std::unique_ptr<SafetensorsModel> model_;
  const Family* family_ = nullptr;
  std::vector<FolderModule> modules_;
  std::vector<std::string> skipped_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_FOLDER_SOURCE_H_
