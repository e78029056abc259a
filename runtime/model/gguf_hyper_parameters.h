#ifndef QUANTD_RUNTIME_MODEL_GGUF_HYPER_PARAMETERS_H_
#define QUANTD_RUNTIME_MODEL_GGUF_HYPER_PARAMETERS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/formats/gguf.h"
#include "runtime/formats/gguf_writer.h"
#include "runtime/model/model_config.h"

namespace quantd {

/// Reads and validates the hyper-parameters that the keys of a GGUF file give. Errors: DATA_LOSS
/// naming file and key; UNIMPLEMENTED naming the architecture and those supported.
absl::StatusOr<ModelConfig> ReadGgufHyperParameters(const GgufFile& file);

/// Sets the keys from which ReadGgufHyperParameters gives `config` back, whose architecture is of
/// Families(). `path` is named in errors: UNIMPLEMENTED, by the field of a config.json, for what no
/// key can say.
absl::Status WriteGgufHyperParameters(const ModelConfig& config, const std::string& path,
                                      GgufWriter* writer);

/// The hyper-parameters that a GGUF file keeps in vectors beside the weights: names and values.
std::vector<std::pair<std::string, std::vector<float>>> GgufParameterVectors(
    const ModelConfig& config);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_GGUF_HYPER_PARAMETERS_H_
