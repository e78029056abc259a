#ifndef QUANTD_RUNTIME_MODEL_GGUF_CHECKPOINT_H_
#define QUANTD_RUNTIME_MODEL_GGUF_CHECKPOINT_H_

#include <memory>
#include <string>
#include <vector>

#include "runtime/formats/gguf.h"
#include "runtime/model/checkpoint.h"

namespace quantd {

/// A model in a GGUF file, whose names for tensors are ours. Owns the file.
class GgufCheckpoint : public Checkpoint {
 public:
  explicit GgufCheckpoint(std::unique_ptr<GgufFile> file);

  const std::string& path() const override { return file_->path(); }
  uint64_t file_bytes() const override { return file_->file_bytes(); }
  std::string container() const override;
  size_t file_count() const override { return file_->part_count(); }
  std::string StoredName(absl::string_view name) const override { return std::string(name); }
  absl::StatusOr<ModelConfig> ReadHyperParameters() const override;
  std::string LayersKey() const override;
  absl::StatusOr<std::vector<std::unique_ptr<WeightSource>>> OpenWeights(
      const CheckpointTensor& tensor) const override;
  absl::StatusOr<std::vector<float>> ReadFloats(const CheckpointTensor& tensor) const override;
  void GiveBack(const CheckpointTensor& tensor) const override;
  const GgufFile* gguf() const override { return file_.get(); }

 private:
  const std::unique_ptr<GgufFile> file_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_GGUF_CHECKPOINT_H_
