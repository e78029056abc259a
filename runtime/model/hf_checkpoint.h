#ifndef QUANTD_RUNTIME_MODEL_HF_CHECKPOINT_H_
#define QUANTD_RUNTIME_MODEL_HF_CHECKPOINT_H_

#include <memory>
#include <string>
#include <vector>

#include "runtime/formats/hf_config.h"
#include "runtime/formats/hf_scheme_table.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/family.h"

namespace quantd {

/// A model in a folder of Hugging Face's layout: config.json and safetensors, plain or quantized.
/// How a module is stored its own tensors decide, so that those left unquantized keep their type.
class HfCheckpoint : public Checkpoint {
 public:
  /// Errors: those of HfConfig::Open, SafetensorsModel::Open and OpenHfWeight. A folder of an
  /// unknown family opens, with tensors under their own names, and has no hyper-parameters.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> Open(const ModelDirectory& directory);
  /// Of parts that were opened already (tests, fuzzers).
  static absl::StatusOr<std::unique_ptr<Checkpoint>> Of(std::unique_ptr<HfConfig> config,
                                                        std::unique_ptr<SafetensorsModel> model);

  const std::string& path() const override { return model_->path(); }
  uint64_t file_bytes() const override { return model_->file_bytes(); }
  std::string container() const override { return "safetensors"; }
  size_t file_count() const override { return model_->files().size(); }
  std::string StoredName(absl::string_view name) const override;
  absl::StatusOr<ModelConfig> ReadHyperParameters() const override;
  std::string LayersKey() const override { return "config.json: num_hidden_layers"; }
  absl::StatusOr<std::vector<std::unique_ptr<WeightSource>>> OpenWeights(
      const CheckpointTensor& tensor) const override;
  absl::StatusOr<std::vector<float>> ReadFloats(const CheckpointTensor& tensor) const override;
  void GiveBack(const CheckpointTensor& tensor) const override;
  const HfConfig* hf_config() const override { return config_.get(); }

 private:
  /// Where a tensor of tensors() lies.
  struct Place {
    /// Of a weight that a scheme reads; several: one below the other. None: one tensor, as it is.
    std::vector<std::string> modules;
    std::vector<const SafetensorsTensor*> tensors;
  };
  /// The tensors of a module.
  struct Module {
    std::string name;
    uint64_t place = 0;  ///< the number of an expert
    std::vector<const SafetensorsTensor*> tensors;
  };
  /// What makes one tensor of ours: a module, or those of all experts in their order.
  struct Weight {
    std::string ours;
    std::vector<Module> modules;
    bool stacked = false;
  };

  HfCheckpoint(std::unique_ptr<HfConfig> config, std::unique_ptr<SafetensorsModel> model);
  absl::Status ReadTensors();
  std::vector<Weight> CollectWeights();
  absl::Status SortStack(Weight* weight) const;
  absl::Status AddWeight(const Weight& weight);
  absl::Status AddPart(const HfModule& module, const HfWeight& weight, CheckpointTensor* tensor);
  void AddPlain(const std::string& name, const SafetensorsTensor& tensor);

  const std::unique_ptr<HfConfig> config_;
  const std::unique_ptr<SafetensorsModel> model_;
  const Family* const family_;  ///< null: unknown
  std::vector<Place> places_;   ///< of each tensor
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_HF_CHECKPOINT_H_
