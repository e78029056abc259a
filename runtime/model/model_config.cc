#include "runtime/model/model_config.h"

#include "kernels/base/status_macros.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/weights.h"

namespace quantd {

absl::StatusOr<ModelConfig> ReadModelConfig(const Checkpoint& checkpoint) {
  QUANTD_ASSIGN_OR_RETURN(ModelConfig config, checkpoint.ReadHyperParameters());
  QUANTD_RETURN_IF_ERROR(ValidateTensors(checkpoint, config));
  return config;
}

}  // namespace quantd
