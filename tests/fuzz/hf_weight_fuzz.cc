// The modules of any safetensors file must open as weights of every quantization method, or be
// refused with a status that names the file; what a source decodes must have the promised form. The
// seeds are the checkpoints of tests/golden/hf, whose module is called "layer".

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/base/check.h"
#include "runtime/formats/hf_scheme_table.h"

namespace quantd {
namespace {

const std::vector<QuantizationConfig>& Configs() {
  static const auto* const configs = [] {
    auto* all = new std::vector<QuantizationConfig>(1);
    for (const char* text :
         {R"({"quant_method": "gptq", "bits": 4, "group_size": 32})",
          R"({"quant_method": "gptq", "bits": 3, "group_size": -1, "dynamic": {},
                 "checkpoint_format": "gptq_v2"})",
          R"({"quant_method": "awq", "bits": 4, "group_size": 32})",
          R"({"quant_method": "bitsandbytes", "load_in_4bit": true})",
          R"({"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups":
                 {"g": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 32}}}})",
          R"({"quant_method": "fp8", "weight_block_size": [32, 32]})"}) {
      const auto document = JsonDocument::Parse(text, "config.json");
      QUANTD_CHECK(document.ok(), "the fuzzer's configurations are valid");
      const auto config = ReadQuantizationConfig((*document)->root(), "");
      QUANTD_CHECK(config.ok(), "the fuzzer's configurations are valid");
      all->push_back(*config);
    }
    return all;
  }();
  return *configs;
}

void CheckOrder(const WeightSource& source) {
  if (source.k_order().empty()) return;
  std::vector<bool> seen(source.cols());
  QUANTD_CHECK(static_cast<int64_t>(source.k_order().size()) == source.cols(), "an order is whole");
  for (const int32_t feature : source.k_order()) {
    QUANTD_CHECK(feature >= 0 && feature < source.cols() && !seen[feature], "and a permutation");
    seen[feature] = true;
  }
}

void CheckWeight(const HfWeight& weight) {
  const WeightSource& source = *weight.source;
  QUANTD_CHECK(source.rows() > 0 && source.cols() > 0, "a weight has weights");
  QUANTD_CHECK(source.cols() % source.format().k_multiple() == 0, "rows are whole groups");
  CheckOrder(source);
  QuantTensor slab;
  for (int64_t row = 0; row < source.rows(); row += 64) {
    const int64_t count = std::min<int64_t>(64, source.rows() - row);
    const absl::Status status = source.Decode(row, count, &slab);
    if (!status.ok()) {
      QUANTD_CHECK(status.message().find("fuzz.bin: ") == 0, "errors name the file");
      return;
    }
    for (const uint8_t code : slab.codes) {
      QUANTD_CHECK(code >> slab.format.bits == 0, "a code has no more bits than its format");
    }
  }
}

}  // namespace
}  // namespace quantd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto file = quantd::SafetensorsFile::Parse(absl::MakeConstSpan(data, size), "fuzz.bin");
  if (!file.ok()) return 0;
  const auto model = quantd::SafetensorsModel::OfFile(std::move(*file));
  for (const quantd::QuantizationConfig& config : quantd::Configs()) {
    const auto weight = quantd::OpenHfWeight(quantd::HfModule(*model, config, "layer"));
    if (weight.ok()) {
      quantd::CheckWeight(*weight);
    } else {
      QUANTD_CHECK(weight.status().message().find("fuzz.bin: ") == 0, "errors name the file");
    }
  }
  return 0;
}
