#ifndef QUANTD_RUNTIME_MODEL_HF_HYPER_PARAMETERS_H_
#define QUANTD_RUNTIME_MODEL_HF_HYPER_PARAMETERS_H_

#include <string>

#include "absl/status/statusor.h"
#include "runtime/formats/hf_config.h"
#include "runtime/model/model_config.h"

namespace quantd {

/// Reads and validates the hyper-parameters of a config.json, as transformers 4 and 5 write them.
/// Errors: DATA_LOSS naming file and key; UNIMPLEMENTED naming the model_type, or a value, and what
/// is supported.
absl::StatusOr<ModelConfig> ReadHfHyperParameters(const HfConfig& config);

/// The members of a config.json, an object, from which ReadHfHyperParameters gives `config` back
/// and which transformers of both versions load. `checkpoint` is the model's, for its biases.
/// Errors: UNIMPLEMENTED naming the key or tensor for what the class of transformers does not do.
absl::StatusOr<std::string> WriteHfHyperParameters(const ModelConfig& config,
                                                   const Checkpoint& checkpoint);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_HF_HYPER_PARAMETERS_H_
