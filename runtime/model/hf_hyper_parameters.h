#ifndef QUANTD_RUNTIME_MODEL_HF_HYPER_PARAMETERS_H_
#define QUANTD_RUNTIME_MODEL_HF_HYPER_PARAMETERS_H_

#include "absl/status/statusor.h"
#include "runtime/formats/hf_config.h"
#include "runtime/model/model_config.h"

namespace quantd {

/// Reads and validates the hyper-parameters of a config.json, as transformers 4 and 5 write them.
/// Errors: DATA_LOSS naming file and key; UNIMPLEMENTED naming the model_type, or a value, and what
/// is supported.
absl::StatusOr<ModelConfig> ReadHfHyperParameters(const HfConfig& config);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_HF_HYPER_PARAMETERS_H_
