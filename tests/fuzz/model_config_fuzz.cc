// The hyper-parameters of any file that parses must be read or be refused with a status naming the
// file, and those read must hold what the model builds on. Same seeds as gguf_fuzz.

#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/base/check.h"
#include "runtime/model/gguf_checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto file = quantd::GgufFile::Parse(absl::MakeConstSpan(data, size), "fuzz.gguf");
  if (!file.ok()) return 0;
  const quantd::GgufCheckpoint checkpoint(*std::move(file));
  const auto config = quantd::ReadModelConfig(checkpoint);
  if (!config.ok()) {
    QUANTD_CHECK(config.status().message().find("fuzz.gguf: ") == 0, "errors name the file");
    return 0;
  }
  QUANTD_CHECK(config->vocab > 0 && config->dim > 0 && config->ff > 0 && config->context > 0,
               "sizes are positive");
  QUANTD_CHECK(config->kv_heads > 0 && config->heads % config->kv_heads == 0,
               "query heads share key/value heads evenly");
  QUANTD_CHECK(config->rope_dim % 2 == 0 && config->rope_dim <= config->head_dim,
               "rotation takes pairs of a head");
  QUANTD_CHECK(config->rms_eps > 0 && config->rope_base > 0, "neither NaN nor a division by zero");
  QUANTD_CHECK(checkpoint.Find("token_embd.weight") != nullptr, "the model has its tensors");
  return 0;
}
