#include "runtime/formats/quantization_config.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Format = CompressedTensorsGroup::Format;
using Strategy = CompressedTensorsArgs::Strategy;
using Type = CompressedTensorsArgs::Type;

absl::StatusOr<QuantizationConfig> Read(const std::string& text,
                                        const std::string& default_method = "") {
  const auto document = JsonDocument::Parse(text, "config.json");
  EXPECT_TRUE(document.ok()) << document.status();
  return ReadQuantizationConfig((*document)->root(), default_method);
}

/// The scheme of a text that must be valid.
template <typename Config>
Config ReadAs(const std::string& text) {
  const auto config = Read(text);
  EXPECT_TRUE(config.ok()) << config.status();
  const auto* scheme = config.ok() ? std::get_if<Config>(&config->scheme) : nullptr;
  EXPECT_NE(scheme, nullptr);
  return scheme == nullptr ? Config() : *scheme;
}

TEST(QuantizationConfig, ReadsGptq) {
  const auto v1 = ReadAs<GptqConfig>(
      R"({"quant_method": "gptq", "bits": 3, "group_size": -1, "desc_act": true, "sym": false,
          "damp_percent": 0.1, "true_sequential": true, "model_file_base_name": null})");
  EXPECT_EQ(v1.bits, 3);
  EXPECT_EQ(v1.group_size, -1);
  EXPECT_TRUE(v1.desc_act);
  EXPECT_FALSE(v1.sym);
  EXPECT_TRUE(v1.zeros_minus_one);
  EXPECT_FALSE(v1.per_module);
  const auto v2 = ReadAs<GptqConfig>(
      R"({"quant_method": "gptq", "bits": 8, "checkpoint_format": "gptq_v2", "pack_dtype": "int32",
          "dynamic": {"-:lm_head": {}}})");
  EXPECT_EQ(v2.group_size, 128);
  EXPECT_FALSE(v2.zeros_minus_one);
  EXPECT_TRUE(v2.per_module);
  EXPECT_TRUE(ReadAs<GptqConfig>(R"({"quant_method": "gptq", "bits": 4, "format": "GPTQ"})")
                  .zeros_minus_one);
  EXPECT_TRUE(Read(R"({"bits": 4})", "gptq").ok());
}

TEST(QuantizationConfig, ReadsAwqUnderBothNames) {
  const auto config = Read(R"({"quant_method": "awq", "bits": 4, "group_size": 64,
      "zero_point": true, "version": "GEMM", "modules_to_not_convert": ["lm_head", "visual"]})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->method, "awq");
  EXPECT_EQ(std::get<AwqConfig>(config->scheme).group_size, 64);
  EXPECT_THAT(config->skipped_modules, ElementsAre("lm_head", "visual"));
  const auto older =
      ReadAs<AwqConfig>(R"({"quant_method": "awq", "w_bit": 4, "q_group_size": -1})");
  EXPECT_EQ(older.bits, 4);
  EXPECT_EQ(older.group_size, -1);
}

TEST(QuantizationConfig, ReadsBitsAndBytes) {
  const auto four = Read(R"({"quant_method": "bitsandbytes", "load_in_4bit": true,
      "load_in_8bit": false, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": true,
      "bnb_4bit_compute_dtype": "bfloat16", "llm_int8_skip_modules": ["lm_head"]})");
  ASSERT_TRUE(four.ok()) << four.status();
  EXPECT_TRUE(std::get<BitsAndBytesConfig>(four->scheme).four_bits);
  EXPECT_EQ(std::get<BitsAndBytesConfig>(four->scheme).quant_type, "nf4");
  EXPECT_TRUE(std::get<BitsAndBytesConfig>(four->scheme).double_quant);
  EXPECT_THAT(four->skipped_modules, ElementsAre("lm_head"));
  const auto eight = ReadAs<BitsAndBytesConfig>(
      R"({"load_in_8bit": true, "llm_int8_threshold": 5.5, "llm_int8_skip_modules": null})");
  EXPECT_FALSE(eight.four_bits);
  EXPECT_EQ(eight.outlier_threshold, 5.5);
}

TEST(QuantizationConfig, ReadsCompressedTensors) {
  const auto config = Read(R"({"quant_method": "compressed-tensors", "format": "pack-quantized",
      "ignore": ["lm_head", "re:.*gate"], "kv_cache_scheme": null, "config_groups": {
        "group_10": {"targets": ["re:.*down_proj"], "weights": {"num_bits": 8, "strategy": "channel"},
                     "format": "int-quantized",
                     "input_activations": {"num_bits": 8, "strategy": "token", "dynamic": true}},
        "group_2": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int",
                    "symmetric": false, "group_size": 32, "strategy": "group", "actorder": "weight"},
                    "input_activations": null},
        "cache": {"targets": ["Attention"], "weights": null}}})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->skipped_modules, ElementsAre("lm_head", "re:.*gate"));
  const auto& groups = std::get<CompressedTensorsConfig>(config->scheme).groups;
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].name, "group_2");
  EXPECT_THAT(groups[0].targets, ElementsAre("Linear"));
  EXPECT_EQ(groups[0].format, Format::kPackQuantized);
  EXPECT_EQ(groups[0].weights.bits, 4);
  EXPECT_FALSE(groups[0].weights.symmetric);
  EXPECT_EQ(groups[0].weights.strategy, Strategy::kGroup);
  EXPECT_EQ(groups[0].weights.group_size, 32);
  EXPECT_FALSE(groups[0].activations);
  EXPECT_EQ(groups[1].format, Format::kIntQuantized);
  EXPECT_EQ(groups[1].weights.strategy, Strategy::kChannel);
  EXPECT_TRUE(groups[1].activations->dynamic);
  EXPECT_EQ(groups[1].activations->strategy, Strategy::kToken);
}

TEST(QuantizationConfig, InfersStrategyAndTypeOfCompressedTensors) {
  const auto group = [](const std::string& weights, const std::string& format) {
    return ReadAs<CompressedTensorsConfig>(absl::StrCat(
        R"({"quant_method": "compressed-tensors", "format": ")", format,
        R"(", "config_groups": {"group_0": {"targets": [], "weights": )", weights, "}}}"));
  };
  EXPECT_EQ(group("{}", "int-quantized").groups[0].weights.strategy, Strategy::kTensor);
  EXPECT_EQ(group(R"({"group_size": -1})", "int-quantized").groups[0].weights.strategy,
            Strategy::kChannel);
  EXPECT_EQ(group(R"({"group_size": 16})", "pack-quantized").groups[0].weights.strategy,
            Strategy::kGroup);
  EXPECT_EQ(group(R"({"type": "float"})", "naive-quantized").groups[0].format,
            Format::kFloatQuantized);
  const auto block = group(
      R"({"type": "float", "strategy": "block", "block_structure": [128, 64]})", "float-quantized");
  EXPECT_EQ(block.groups[0].weights.block, std::pair(int64_t{128}, int64_t{64}));
  EXPECT_EQ(group(R"({"type": "float", "num_bits": 4, "group_size": 32})", "mxfp4-pack-quantized")
                .groups[0]
                .format,
            Format::kMxfp4);
}

TEST(QuantizationConfig, ReadsFp8AndMxfp4) {
  const auto block = Read(R"({"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3",
      "weight_block_size": [128, 64], "modules_to_not_convert": ["lm_head"]})");
  ASSERT_TRUE(block.ok()) << block.status();
  EXPECT_EQ(std::get<Fp8Config>(block->scheme).block, std::pair(int64_t{128}, int64_t{64}));
  EXPECT_FALSE(std::get<Fp8Config>(block->scheme).static_activations);
  const auto tensor = Read(R"({"quant_method": "fp8", "activation_scheme": "static",
      "weight_block_size": null, "ignored_layers": ["a"]})");
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_FALSE(std::get<Fp8Config>(tensor->scheme).block);
  EXPECT_TRUE(std::get<Fp8Config>(tensor->scheme).static_activations);
  EXPECT_THAT(tensor->skipped_modules, ElementsAre("a"));
  EXPECT_EQ(ReadAs<FbgemmFp8Config>(R"({"quant_method": "fbgemm_fp8"})").activation_scale_ub, 1200);
  ReadAs<Mxfp4Config>(R"({"quant_method": "mxfp4"})");
}

std::string Compressed(const std::string& rest) {
  return absl::StrCat(R"({"quant_method": "compressed-tensors", "format": "pack-quantized", )",
                      rest, "}");
}
std::string Group(const std::string& weights) {
  return Compressed(
      absl::StrCat(R"("config_groups": {"g": {"targets": ["Linear"], "weights": )", weights, "}}"));
}

TEST(QuantizationConfig, RefusesWhatIsMalformedNamingTheKey) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[]", "top level: expected an object, found an array"},
      {"{}", "quant_method: the key is missing"},
      {R"({"quant_method": 4})", "quant_method: expected a string"},
      {R"({"quant_method": "gptq"})", "bits: the key is missing"},
      {R"({"quant_method": "gptq", "bits": "4"})", "bits: expected an integer, found a string"},
      {R"({"quant_method": "gptq", "bits": -4})", "bits: -4 is outside of"},
      {R"({"quant_method": "gptq", "bits": 4.0})", "bits: expected an integer, found a float"},
      {R"({"quant_method": "gptq", "bits": 4, "group_size": 0})", "group_size: 0 is no group size"},
      {R"({"quant_method": "gptq", "bits": 4, "group_size": -2})", "group_size: -2 is outside of"},
      {R"({"quant_method": "gptq", "bits": 4, "group_size": 9999999})",
       "group_size: 9999999 is out"},
      {R"({"quant_method": "gptq", "bits": 4, "desc_act": 1})", "desc_act: expected a bool"},
      {R"({"quant_method": "gptq", "bits": 4, "checkpoint_format": 2})",
       "checkpoint_format: expected a string"},
      {R"({"quant_method": "awq", "bits": 4, "modules_to_not_convert": "lm_head"})",
       "modules_to_not_convert: expected an array"},
      {R"({"quant_method": "awq", "bits": 4, "modules_to_not_convert": [1]})",
       "modules_to_not_convert[0]: expected a string"},
      {R"({"quant_method": "bitsandbytes"})", "top level: exactly one of load_in_4bit and"},
      {R"({"load_in_4bit": true, "load_in_8bit": true})", "top level: exactly one of"},
      {R"({"load_in_8bit": true, "llm_int8_threshold": -1})", "llm_int8_threshold: -1 is outside"},
      {R"({"quant_method": "fp8", "weight_block_size": [128]})",
       "weight_block_size: expected 2 numbers, found 1"},
      {R"({"quant_method": "fp8", "weight_block_size": [128, 0]})",
       "weight_block_size[1]: 0 is out"},
      {R"({"quant_method": "fp8", "weight_block_size": 128})",
       "weight_block_size: expected an array"},
      {R"({"quant_method": "fbgemm_fp8", "activation_scale_ub": -1})",
       "activation_scale_ub: -1 is"},
      {Compressed(R"("x": 1)"), "config_groups: the key is missing"},
      {Compressed(R"("config_groups": {})"), "config_groups: no group quantizes weights"},
      {Compressed(R"("config_groups": {"W4A16": ["Linear"]})"), "config_groups.W4A16: expected an"},
      {Compressed(R"("config_groups": {"g": {"weights": {}}})"),
       "config_groups.g.targets: the key"},
      {Group(R"({"num_bits": 4, "type": "float"})"), "config_groups.g.weights: its type does not"},
      {Group(R"({"num_bits": 4, "strategy": "group"})"),
       "weights: strategy \"group\" needs a group"},
      {Group(R"({"num_bits": 4, "strategy": "block"})"),
       "weights: strategy \"block\" needs a block"},
      {Group(R"({"num_bits": 4, "dynamic": 1})"),
       "config_groups.g.weights.dynamic: expected a bool"},
  };
  for (const auto& [text, message] : cases) {
    const absl::Status status = Read(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << text << status;
    EXPECT_THAT(std::string(status.message()), StartsWith("config.json: ")) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << text;
  }
}

TEST(QuantizationConfig, RefusesByNameWhatIsNotSupportedSayingWhatIs) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"quant_method": "aqlm"})",
       "quant_method \"aqlm\" is not supported; quantize the full-precision model again, with "
       "gptq"},
      {R"({"quant_method": "auto-round"})",
       "\"auto-round\" is not supported; export it from AutoRound"},
      {R"({"quant_method": "new"})",
       "\"new\" is not supported; supported are: gptq, awq, bitsandbytes, compressed-tensors, fp8, "
       "fbgemm_fp8, mxfp4"},
      {R"({"quant_method": "gptq", "bits": 5})", "bits: 5 bits are not supported; 2, 3, 4, 8 are"},
      {R"({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"})",
       "checkpoint_format: \"marlin\" is not supported; save the model with format gptq"},
      {R"({"quant_method": "gptq", "bits": 4, "is_marlin_format": true})",
       "is_marlin_format: \"true\""},
      {R"({"quant_method": "gptq", "bits": 4, "pack_dtype": "int8"})", "pack_dtype: \"int8\""},
      {R"({"quant_method": "awq", "bits": 8})", "bits: 8 bits are not supported; 4 are"},
      {R"({"quant_method": "awq", "bits": 4, "version": "gemv"})",
       "version: \"gemv\" is not supported; quantize the model with AutoAWQ's version gemm"},
      {R"({"quant_method": "awq", "bits": 4, "version": "gemv_fast"})", "version: \"gemv_fast\""},
      {R"({"quant_method": "awq", "bits": 4, "zero_point": false})", "zero_point: \"false\""},
      {R"({"load_in_4bit": true, "bnb_4bit_quant_type": "int4"})", "bnb_4bit_quant_type: \"int4\""},
      {R"({"quant_method": "fp8", "fmt": "e5m2"})", "fmt: \"e5m2\" is not supported; e4m3"},
      {R"({"quant_method": "fp8", "activation_scheme": "odd"})", "activation_scheme: \"odd\""},
      {R"({"quant_method": "fp8", "expert_dtype": "fp4"})",
       "expert_dtype: \"fp4\" is not supported"},
      {R"({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized", "config_groups":
          {"g": {"targets": [], "weights": {}}}})",
       "format: \"nvfp4-pack-quantized\" is not supported; pack-quantized, int-quantized"},
      {R"({"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized",
           "config_groups": {"group_0": {"targets": ["Linear"], "weights":
               {"num_bits": 4, "type": "float", "group_size": 32, "symmetric": false}}}})",
       "only symmetric 4-bit floats are supported"},
      {Group(R"({"num_bits": 3})"),
       "config_groups.g.weights: 3 bits are not supported; 4 and 8 are"},
      {Compressed(R"("transform_config": {"config_groups": {}})"),
       "transform_config: transforms are"},
      {Compressed(R"("sparsity_config": {"format": "sparse-24-bitmask"})"),
       "sparsity_config.format: \"sparse-24-bitmask\" is not supported; save the model with "
       "format"},
  };
  for (const auto& [text, message] : cases) {
    const absl::Status status = Read(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << text << status;
    EXPECT_THAT(std::string(status.message()), StartsWith("config.json: ")) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << text;
  }
}

}  // namespace
}  // namespace quantd
