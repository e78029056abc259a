#include "runtime/convert/folder_schemes.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

namespace quantd {
namespace {

using Json = nlohmann::ordered_json;
using Skipped = std::vector<std::string>;

// Columns of a group are a multiple of this (QuantFormat::group) and fit its type.
constexpr int64_t kGroupMultiple = 16, kLargestGroup = 65520;

std::string BitsAndBytesConfig(const FolderSettings&, const Skipped& skipped, Dtype dtype) {
  const char* const compute = dtype == Dtype::kF32   ? "float32"
                              : dtype == Dtype::kF16 ? "float16"
                                                     : "bfloat16";
  return Json{{"quant_method", "bitsandbytes"},
              {"load_in_4bit", true},
              {"load_in_8bit", false},
              {"bnb_4bit_quant_type", "nf4"},
              {"bnb_4bit_use_double_quant", false},
              {"bnb_4bit_compute_dtype", compute},
              {"bnb_4bit_quant_storage", "uint8"},
              {"llm_int8_skip_modules", skipped},
              {"llm_int8_threshold", 6.0},
              {"llm_int8_enable_fp32_cpu_offload", false},
              {"llm_int8_has_fp16_weight", false}}
      .dump();
}

Json IntegerArgs(int bits, const char* strategy, int64_t group, bool dynamic) {
  return {{"num_bits", bits},
          {"type", "int"},
          {"symmetric", true},
          {"strategy", strategy},
          {"group_size", group == 0 ? Json(nullptr) : Json(group)},
          {"dynamic", dynamic}};
}

std::string CompressedTensorsConfig(const char* format, const Json& weights, const Json& inputs,
                                    const Skipped& skipped) {
  const Json group = {{"targets", {"Linear"}},
                      {"weights", weights},
                      {"input_activations", inputs},
                      {"output_activations", nullptr}};
  return Json{{"quant_method", "compressed-tensors"},
              {"format", format},
              {"quantization_status", "compressed"},
              {"config_groups", {{"group_0", group}}},
              {"ignore", skipped},
              {"kv_cache_scheme", nullptr}}
      .dump();
}

std::string W8A8Config(const FolderSettings&, const Skipped& skipped, Dtype) {
  return CompressedTensorsConfig("int-quantized", IntegerArgs(8, "channel", 0, false),
                                 IntegerArgs(8, "token", 0, true), skipped);
}

std::string W4A16Config(const FolderSettings& settings, const Skipped& skipped, Dtype) {
  const bool rows = settings.group == -1;
  return CompressedTensorsConfig(
      "pack-quantized",
      IntegerArgs(4, rows ? "channel" : "group", rows ? 0 : settings.group, false), nullptr,
      skipped);
}

std::string GptqConfig(const FolderSettings& settings, const Skipped& skipped, Dtype) {
  return Json{{"quant_method", "gptq"},
              {"bits", settings.bits},
              {"group_size", settings.group},
              {"desc_act", settings.act_order},
              {"sym", !settings.zero_points},
              {"static_groups", false},
              {"true_sequential", false},
              {"damp_percent", 0.01},
              {"lm_head", false},
              {"checkpoint_format", "gptq"},
              {"modules_to_not_convert", skipped}}
      .dump();
}

std::string AwqConfig(const FolderSettings& settings, const Skipped& skipped, Dtype) {
  return Json{{"quant_method", "awq"}, {"bits", 4},         {"group_size", settings.group},
              {"zero_point", true},    {"version", "gemm"}, {"modules_to_not_convert", skipped}}
      .dump();
}

absl::Status Refused(absl::string_view setting, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(setting, ": ", what));
}

CodeType FloatCode(Dtype dtype) {
  return dtype == Dtype::kF32   ? CodeType::kF32
         : dtype == Dtype::kF16 ? CodeType::kF16
                                : CodeType::kBF16;
}

}  // namespace

const std::vector<FolderScheme>& FolderSchemes() {
  constexpr AffineGrid kSymmetric{.symmetric = true};
  // Format v1 stores zero points less one, for which readers differ if that is below zero.
  constexpr AffineGrid kOfGptq{.lowest_zero = 1};
  constexpr AffineGrid kWithZeros{.symmetric = false};
  static const auto* const schemes = new std::vector<FolderScheme>{
      {"NF4", "bitsandbytes, 4 bits", RoundingMethod::kNf4, &hf::kNf4Packer, 4, false, kSymmetric,
       BitsAndBytesConfig},
      {"W8A8", "compressed-tensors, INT8 weights and activations", RoundingMethod::kNearest,
       &hf::kInt8Packer, 8, false, kSymmetric, W8A8Config},
      {"W4A16", "compressed-tensors, INT4 weights", RoundingMethod::kNearest, &hf::kPackedPacker, 4,
       true, kSymmetric, W4A16Config},
      {"GPTQ", "GPTQModel and AutoGPTQ", RoundingMethod::kGptq, &hf::kGptqPacker, 0, true, kOfGptq,
       GptqConfig},
      {"AWQ", "AutoAWQ, 4 bits", RoundingMethod::kAwq, &hf::kAwqPacker, 4, true, kWithZeros,
       AwqConfig},
  };
  return *schemes;
}

const FolderScheme* FindFolderScheme(absl::string_view name) {
  for (const FolderScheme& scheme : FolderSchemes()) {
    if (absl::EqualsIgnoreCase(name, scheme.name)) return &scheme;
  }
  return nullptr;
}

std::string FolderSchemeNames() {
  return absl::StrJoin(FolderSchemes(), ", ", [](std::string* out, const FolderScheme& scheme) {
    absl::StrAppend(out, scheme.name);
  });
}

absl::Status CheckSettings(const FolderScheme& scheme, const FolderSettings& settings) {
  const FolderSettings usual;
  const std::string not_of = absl::StrCat(scheme.name, " has none; ");
  if (scheme.method != RoundingMethod::kGptq) {
    if (settings.bits != usual.bits) {
      return Refused("bits",
                     absl::StrCat(scheme.name, " has ", scheme.bits, "; GPTQ has a choice"));
    }
    if (settings.act_order) return Refused("act-order", not_of + "GPTQ does");
    if (settings.zero_points) {
      return Refused("zero-points", absl::StrCat(scheme.name, " has no choice; GPTQ does"));
    }
  }
  if (!scheme.grouped && settings.group != usual.group) {
    return Refused("group-size", not_of + "W4A16, GPTQ and AWQ do");
  }
  constexpr int kBits[] = {2, 3, 4, 8};
  if (std::find(std::begin(kBits), std::end(kBits), settings.bits) == std::end(kBits)) {
    return Refused("bits", absl::StrCat(settings.bits, " are not supported; 2, 3, 4 and 8 are"));
  }
  const bool group =
      settings.group == -1 || (settings.group > 0 && settings.group <= kLargestGroup &&
                               settings.group % kGroupMultiple == 0);
  if (group) return absl::OkStatus();
  return Refused("group-size", absl::StrCat(settings.group,
                                            " is not supported; multiples of 16, and -1 for whole "
                                            "rows, are"));
}

AffineGrid GridOf(const FolderScheme& scheme, const FolderSettings& settings, Dtype dtype) {
  AffineGrid grid = scheme.grid;
  grid.bits = scheme.bits == 0 ? settings.bits : scheme.bits;
  if (scheme.method == RoundingMethod::kGptq) grid.symmetric = !settings.zero_points;
  // Those of compressed-tensors have the weight's type, GPTQ's and AWQ's are F16.
  if (scheme.method == RoundingMethod::kNearest) grid.scale_type = FloatCode(dtype);
  return grid;
}

hf::PackOptions PackOptionsOf(const FolderScheme& scheme, const FolderSettings& settings,
                              Dtype dtype) {
  return {dtype, scheme.bits == 0 ? settings.bits : scheme.bits,
          scheme.grouped ? settings.group : -1};
}

}  // namespace quantd
