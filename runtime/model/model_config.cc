#include "runtime/model/model_config.h"

#include <algorithm>

#include "kernels/base/status_macros.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/weights.h"

namespace quantd {

void ModelConfig::UseContext(int32_t tokens) {
  if (tokens <= 0) return;
  if (tokens > context && long_context > context) {
    context = long_context;
    rope_factors = long_rope_factors;
  }
  context = std::min(context, tokens);
}

absl::StatusOr<ModelConfig> ReadModelConfig(const Checkpoint& checkpoint) {
  QUANTD_ASSIGN_OR_RETURN(ModelConfig config, checkpoint.ReadHyperParameters());
  QUANTD_RETURN_IF_ERROR(ValidateTensors(checkpoint, config));
  return config;
}

}  // namespace quantd
