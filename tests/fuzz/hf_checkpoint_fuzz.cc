// A folder of Hugging Face's layout with any configuration and any safetensors file must open as a
// model or be refused with a status naming the file; what opens must hold what the model builds on,
// and every weight must decode or be refused. The configuration stands in the file's metadata under
// "config".

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "kernels/base/check.h"
#include "runtime/model/hf_checkpoint.h"
#include "runtime/model/weights.h"

namespace quantd {
namespace {

constexpr char kFolder[] = "fuzz";

void CheckError(const absl::Status& status) {
  QUANTD_CHECK(absl::StartsWith(status.message(), kFolder), "errors name the file");
}

void CheckConfig(const ModelConfig& config) {
  QUANTD_CHECK(config.vocab > 0 && config.dim > 0 && config.ff > 0 && config.context > 0,
               "sizes are positive");
  QUANTD_CHECK(config.kv_heads > 0 && config.heads % config.kv_heads == 0,
               "query heads share key/value heads evenly");
  QUANTD_CHECK(config.rope_dim % 2 == 0 && config.rope_dim <= config.head_dim,
               "rotation takes pairs of a head");
  QUANTD_CHECK(config.rms_eps > 0 && config.rope_base > 0, "neither NaN nor a division by zero");
}

void CheckWeights(const Checkpoint& checkpoint, const ModelConfig& config) {
  constexpr int64_t kSlab = 32;
  QuantTensor rows;
  for (const TensorSpec& spec : ModelTensors(config)) {
    const CheckpointTensor* tensor = checkpoint.Find(spec.name);
    QUANTD_CHECK(tensor != nullptr || spec.optional, "the model has its tensors");
    if (tensor == nullptr) continue;
    if (spec.vector) {
      const auto floats = checkpoint.ReadFloats(*tensor);
      if (!floats.ok()) return CheckError(floats.status());
      QUANTD_CHECK(static_cast<int64_t>(floats->size()) == spec.cols, "vectors have their length");
      continue;
    }
    const auto weights = checkpoint.OpenWeights(*tensor);
    QUANTD_CHECK(weights.ok(), "what opened before opens again");
    const int64_t count = static_cast<int64_t>(weights->size());
    QUANTD_CHECK(count == 1 || count == spec.parts, "there is one matrix, or one for each expert");
    for (const std::unique_ptr<WeightSource>& weight : *weights) {
      QUANTD_CHECK(weight->rows() == spec.rows / count && weight->cols() == spec.cols,
                   "matrices have their shape");
      for (int64_t row = 0; row < weight->rows(); row += kSlab) {
        const absl::Status decoded =
            weight->Decode(row, std::min(kSlab, weight->rows() - row), &rows);
        if (!decoded.ok()) return CheckError(decoded);
      }
    }
  }
}

void Run(absl::Span<const uint8_t> bytes) {
  auto file = SafetensorsFile::Parse(bytes, std::string(kFolder) + "/model.safetensors");
  if (!file.ok()) return CheckError(file.status());
  std::string text;
  for (const auto& [key, value] : (*file)->metadata()) {
    if (key == "config") text = value;
  }
  auto config = HfConfig::Parse(text, std::nullopt, kFolder);
  if (!config.ok()) return CheckError(config.status());
  const auto checkpoint =
      HfCheckpoint::Of(*std::move(config), SafetensorsModel::OfFile(*std::move(file)));
  if (!checkpoint.ok()) return CheckError(checkpoint.status());
  const auto model = ReadModelConfig(**checkpoint);
  if (!model.ok()) return CheckError(model.status());
  CheckConfig(*model);
  CheckWeights(**checkpoint, *model);
}

}  // namespace
}  // namespace quantd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  quantd::Run(absl::MakeConstSpan(data, size));
  return 0;
}
