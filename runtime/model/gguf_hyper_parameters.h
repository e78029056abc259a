#ifndef QUANTD_RUNTIME_MODEL_GGUF_HYPER_PARAMETERS_H_
#define QUANTD_RUNTIME_MODEL_GGUF_HYPER_PARAMETERS_H_

#include "absl/status/statusor.h"
#include "runtime/formats/gguf.h"
#include "runtime/model/model_config.h"

namespace quantd {

/// Reads and validates the hyper-parameters that the keys of a GGUF file give. Errors: DATA_LOSS
/// naming file and key; UNIMPLEMENTED naming the architecture and those supported.
absl::StatusOr<ModelConfig> ReadGgufHyperParameters(const GgufFile& file);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_GGUF_HYPER_PARAMETERS_H_
