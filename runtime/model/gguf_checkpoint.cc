#include "runtime/model/gguf_checkpoint.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/scheme_table.h"
#include "runtime/model/gguf_hyper_parameters.h"
#include "runtime/model/gguf_keys.h"

namespace quantd {

GgufCheckpoint::GgufCheckpoint(std::unique_ptr<GgufFile> file) : file_(std::move(file)) {
  for (const GgufTensor& tensor : file_->tensors()) {
    const GgufScheme* scheme = FindGgufScheme(tensor.type);
    QUANTD_CHECK(scheme != nullptr, "the parser lets no tensor of an unread type pass");
    Add({tensor.name, tensor.name, scheme->name, scheme->format, tensor.shape, tensor.bytes});
  }
}

std::string GgufCheckpoint::container() const { return absl::StrCat("GGUF v", file_->version()); }

absl::StatusOr<ModelConfig> GgufCheckpoint::ReadHyperParameters() const {
  return ReadGgufHyperParameters(*file_);
}

std::string GgufCheckpoint::LayersKey() const {
  const absl::StatusOr<absl::string_view> architecture = file_->String(gguf_key::kArchitecture);
  return absl::StrCat(architecture.ok() ? *architecture : "", ".", gguf_key::kLayers);
}

absl::StatusOr<std::vector<std::unique_ptr<WeightSource>>> GgufCheckpoint::OpenWeights(
    const CheckpointTensor& tensor) const {
  std::vector<std::unique_ptr<WeightSource>> sources;
  QUANTD_ASSIGN_OR_RETURN(sources.emplace_back(),
                          OpenWeight(*file_, file_->tensors()[Index(tensor)]));
  return sources;
}

absl::StatusOr<std::vector<float>> GgufCheckpoint::ReadFloats(
    const CheckpointTensor& tensor) const {
  return quantd::ReadFloats(*file_, file_->tensors()[Index(tensor)]);
}

void GgufCheckpoint::GiveBack(const CheckpointTensor& tensor) const {
  file_->GiveBack(file_->tensors()[Index(tensor)]);
}

}  // namespace quantd
