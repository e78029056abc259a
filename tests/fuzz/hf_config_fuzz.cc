// Any two texts, cut at the first NUL, must give a configuration or a status that names one of the
// two files; what was read must keep the limits that readers of it build on.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>

#include "kernels/base/check.h"
#include "runtime/formats/hf_config.h"

namespace quantd {
namespace {

void CheckQuantization(const QuantizationConfig& config) {
  if (const auto* gptq = std::get_if<GptqConfig>(&config.scheme)) {
    QUANTD_CHECK(gptq->bits >= 2 && gptq->bits <= 8, "codes fit into a byte");
    QUANTD_CHECK(gptq->group_size == -1 || gptq->group_size > 0, "groups have a size");
  }
  if (const auto* awq = std::get_if<AwqConfig>(&config.scheme)) {
    QUANTD_CHECK(awq->group_size == -1 || awq->group_size > 0, "groups have a size");
  }
  if (const auto* compressed = std::get_if<CompressedTensorsConfig>(&config.scheme)) {
    QUANTD_CHECK(!compressed->groups.empty(), "something is quantized");
    for (const CompressedTensorsGroup& group : compressed->groups) {
      QUANTD_CHECK(group.weights.bits == 4 || group.weights.bits == 8, "codes are readable");
    }
  }
  if (const auto* fp8 = std::get_if<Fp8Config>(&config.scheme); fp8 != nullptr && fp8->block) {
    QUANTD_CHECK(fp8->block->first > 0 && fp8->block->second > 0, "blocks have a size");
  }
}

}  // namespace
}  // namespace quantd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t nul = text.find('\0');
  std::optional<absl::string_view> generation;
  if (nul != absl::string_view::npos) generation = text.substr(nul + 1);
  const auto config = quantd::HfConfig::Parse(text.substr(0, nul), generation, "fuzz");
  if (!config.ok()) {
    QUANTD_CHECK(config.status().message().find("fuzz/") == 0, "errors name the file");
    return 0;
  }
  quantd::CheckQuantization((*config)->quantization());
  for (const int32_t token : (*config)->generation().eos_tokens) {
    QUANTD_CHECK(token >= 0, "token ids are not negative");
  }
  QUANTD_CHECK((*config)->language_model().is_object(), "hyper-parameters can be looked up");
  return 0;
}
