#ifndef QUANTD_RUNTIME_FORMATS_QUANTIZATION_CONFIG_H_
#define QUANTD_RUNTIME_FORMATS_QUANTIZATION_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/formats/json_document.h"

namespace quantd {

/// quant_method "gptq", as AutoGPTQ and GPTQModel write it.
struct GptqConfig {
  int bits = 4;              ///< 2, 3, 4 or 8
  int64_t group_size = 128;  ///< along K; -1: one group
  bool desc_act = false;     ///< the groups are scattered over K (act-order)
  bool sym = true;
  bool zeros_minus_one = true;  ///< checkpoint format v1: zero points are stored less one
  bool per_module = false;      ///< modules may differ ("dynamic"); their tensors tell
};

/// quant_method "awq", version gemm, as AutoAWQ writes it.
struct AwqConfig {
  int bits = 4;
  int64_t group_size = 128;  ///< along K; -1: one group
};

/// quant_method "bitsandbytes".
struct BitsAndBytesConfig {
  bool four_bits = false;  ///< else LLM.int8()
  std::string quant_type;  ///< of four bits: "nf4" or "fp4"
  bool double_quant = false;
  double outlier_threshold = 6;  ///< of LLM.int8(): see WeightSource::outlier_threshold
};

/// What is quantized how in a group of compressed-tensors.
struct CompressedTensorsArgs {
  enum class Type : uint8_t { kInt, kFloat };
  enum class Strategy : uint8_t { kTensor, kChannel, kGroup, kBlock, kToken, kTensorGroup };
  int bits = 8;
  Type type = Type::kInt;
  bool symmetric = true;
  Strategy strategy = Strategy::kTensor;
  int64_t group_size = -1;                  ///< of kGroup; -1 for the others
  std::pair<int64_t, int64_t> block{0, 0};  ///< of kBlock: rows, columns
  bool dynamic = false;                     ///< of activations: scales are found at run time
};

struct CompressedTensorsGroup {
  enum class Format : uint8_t { kPackQuantized, kIntQuantized, kFloatQuantized, kMxfp4 };
  std::string name;
  std::vector<std::string> targets;  ///< module names, "re:PATTERN", or class names ("Linear")
  Format format = Format::kPackQuantized;
  CompressedTensorsArgs weights;
  std::optional<CompressedTensorsArgs> activations;
};

/// quant_method "compressed-tensors".
struct CompressedTensorsConfig {
  std::vector<CompressedTensorsGroup> groups;  ///< in the order of their numbered names
};

/// quant_method "fp8": E4M3 weights with one scale per tensor or per block.
struct Fp8Config {
  std::optional<std::pair<int64_t, int64_t>> block;  ///< rows, columns per scale
  bool static_activations = false;                   ///< scales of activations are stored
};

/// quant_method "fbgemm_fp8": E4M3 weights with one scale per row.
struct FbgemmFp8Config {
  double activation_scale_ub = 1200;
};

/// quant_method "mxfp4": experts in E2M1 with a power of two per 32 weights.
struct Mxfp4Config {};

/// What `quantization_config` of a config.json says.
struct QuantizationConfig {
  using Scheme = std::variant<std::monostate, GptqConfig, AwqConfig, BitsAndBytesConfig,
                              CompressedTensorsConfig, Fp8Config, FbgemmFp8Config, Mxfp4Config>;
  std::string method;  ///< quant_method; "" for a model that is not quantized
  Scheme scheme;       ///< std::monostate for a model that is not quantized
  /// modules_to_not_convert, ignore and the like: names, parts of names or "re:PATTERN". Whether a
  /// module is quantized its tensors tell; this is for reports.
  std::vector<std::string> skipped_modules;
};

/// Reads the object behind `quantization_config`; where it names no method, `default_method` (which
/// may be empty) holds. Errors: DATA_LOSS naming file and key; UNIMPLEMENTED naming the method,
/// version or value that this build does not read and what would work instead.
absl::StatusOr<QuantizationConfig> ReadQuantizationConfig(const JsonValue& object,
                                                          absl::string_view default_method);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_QUANTIZATION_CONFIG_H_
