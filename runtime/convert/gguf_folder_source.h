#ifndef QUANTD_RUNTIME_CONVERT_GGUF_FOLDER_SOURCE_H_
#define QUANTD_RUNTIME_CONVERT_GGUF_FOLDER_SOURCE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/convert/folder_source.h"
#include "runtime/convert/tensor_rows.h"
#include "runtime/formats/gguf.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/weights.h"

namespace quantd {

/// A GGUF file seen as the folder that it could have been made of, the inverse of PlanGguf: names
/// of Hugging Face, experts one by one, rows of Q and K where they are trained, Gemma's norms less
/// one, and all in one type, which libraries expect; config.json, generation_config.json and the
/// tokenizer's files written anew.
class GgufFolderSource final : public FolderSource {
 public:
  /// Errors: those of Checkpoint::Open, ReadModelConfig, WriteHfHyperParameters and GgufToHf;
  /// INVALID_ARGUMENT naming the first tensor that is quantized already, unless `requantize`.
  static absl::StatusOr<std::unique_ptr<FolderSource>> Open(const std::string& path,
                                                            bool requantize);
  /// Of a GGUF file that was opened already.
  static absl::StatusOr<std::unique_ptr<FolderSource>> Of(std::unique_ptr<Checkpoint> checkpoint,
                                                          bool requantize);

  absl::StatusOr<absl::Span<const uint8_t>> ReadBytes(const FolderTensor& tensor,
                                                      std::vector<uint8_t>* buffer,
                                                      QuantizedTensor* result) const override;
  absl::StatusOr<std::vector<float>> ReadFloats(const FolderTensor& tensor) const override;
  absl::StatusOr<std::vector<float>> ReadWeights(const FolderModule& module,
                                                 ThreadPool& pool) const override;
  void GiveBack(const FolderTensor& tensor) const override;
  absl::StatusOr<std::string> ReadConfig() const override { return config_; }
  absl::Status WriteSideFiles(const OutputFolder& folder) const override;

 private:
  /// Where a tensor of tensors() lies.
  struct Place {
    const CheckpointTensor* tensor = nullptr;
    int64_t first_row = 0;   ///< of an expert, in the stack
    int64_t paired = 0;      ///< see PairedRows
    bool lacks_one = false;  ///< see HfNormLacksOne
  };
  struct SideFile {
    const char* name;
    std::string text;
  };

  GgufFolderSource(std::unique_ptr<Checkpoint> checkpoint, const Family& family);
  absl::Status Describe(const ModelConfig& config, bool requantize);
  absl::Status DescribeText(const ModelConfig& config);
  Dtype ModelDtype() const;
  absl::Status AddTensor(const ModelConfig& config, const TensorSpec& spec,
                         const CheckpointTensor& tensor, Dtype dtype,
                         std::vector<FolderTensor>* tensors);
  absl::StatusOr<std::vector<float>> ReadVector(const Place& place) const;
  absl::Status Round(const FolderTensor& tensor, absl::Span<const float> values,
                     std::vector<uint8_t>* buffer, QuantizedTensor* result) const;
  absl::Status ReadRow(const Place& place, const TensorRows& rows, int64_t row,
                       QuantTensor* decoded, float* out) const;

  const std::unique_ptr<Checkpoint> checkpoint_;
  std::vector<Place> places_;  ///< of each tensor
  std::string config_;         ///< text of config.json
  std::vector<SideFile> side_files_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_GGUF_FOLDER_SOURCE_H_
