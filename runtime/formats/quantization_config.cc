#include "runtime/formats/quantization_config.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"

namespace quantd {
namespace {

constexpr int64_t kMaxGroup = 1 << 20;

/// Quantization methods that exist and that this build does not read.
struct ForeignMethod {
  const char* name;
  const char* instead;
};
constexpr char kRequantize[] =
    "quantize the full-precision model again, with gptq, awq, bitsandbytes or compressed-tensors";
constexpr ForeignMethod kForeignMethods[] = {
    {"aqlm", kRequantize},
    {"vptq", kRequantize},
    {"quanto", kRequantize},
    {"eetq", kRequantize},
    {"higgs", kRequantize},
    {"hqq", kRequantize},
    {"torchao", kRequantize},
    {"bitnet", kRequantize},
    {"spqr", kRequantize},
    {"quark", kRequantize},
    {"fp_quant", kRequantize},
    {"fouroversix", kRequantize},
    {"sinq", kRequantize},
    {"metal", kRequantize},
    {"exl2", kRequantize},
    {"exl3", kRequantize},
    {"nvfp4", "use the fp8, mxfp4 or compressed-tensors (pack-quantized) variant of the model"},
    {"mxfp8", "use the fp8 or mxfp4 variant of the model"},
    {"modelopt", "export the model as compressed-tensors or fp8"},
    {"auto-round", "export it from AutoRound with format auto_gptq or auto_awq"},
    {"intel/auto-round", "export it from AutoRound with format auto_gptq or auto_awq"},
    {"gguf", "give the GGUF file itself"},
};

template <typename T>
struct Named {
  const char* name;
  T value;
};

/// The value that `names` has for the string `text`; else an error listing them.
template <typename T, size_t kCount>
absl::StatusOr<T> ReadName(const JsonValue& value, const Named<T> (&names)[kCount]) {
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, value.String());
  std::vector<absl::string_view> known;
  for (const Named<T>& named : names) {
    if (text == named.name) return named.value;
    known.push_back(named.name);
  }
  return value.Unsupported(absl::StrCat("\"", Printable(text), "\" is not supported; ",
                                        absl::StrJoin(known, ", "), " are"));
}

/// The lower-case text of the first of `keys` that is present, and its value for errors.
absl::StatusOr<std::optional<std::pair<JsonValue, std::string>>> FirstText(
    const JsonValue& object, std::initializer_list<absl::string_view> keys) {
  for (const absl::string_view key : keys) {
    QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> value, object.Find(key));
    if (!value) continue;
    QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, value->String());
    return std::pair(*value, absl::AsciiStrToLower(text));
  }
  return std::nullopt;
}

absl::Status UnsupportedText(const JsonValue& value, absl::string_view text,
                             absl::string_view instead) {
  return value.Unsupported(absl::StrCat("\"", Printable(text), "\" is not supported; ", instead));
}

/// "bits" or its older name, one of `supported`.
absl::StatusOr<int> ReadBits(const JsonValue& object, absl::string_view key,
                             absl::string_view older, std::initializer_list<int> supported) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> modern, object.Find(key));
  const absl::string_view present = modern ? key : older;
  QUANTD_ASSIGN_OR_RETURN(const JsonValue value, object.At(present.empty() ? key : present));
  QUANTD_ASSIGN_OR_RETURN(const int64_t bits, value.Int(1, 32));
  if (std::find(supported.begin(), supported.end(), bits) != supported.end()) {
    return static_cast<int>(bits);
  }
  return value.Unsupported(
      absl::StrCat(bits, " bits are not supported; ", absl::StrJoin(supported, ", "), " are"));
}

/// A group size of -1 (all of K) or at least 1.
absl::StatusOr<int64_t> ReadGroupSize(const JsonValue& object, absl::string_view key,
                                      int64_t otherwise) {
  QUANTD_ASSIGN_OR_RETURN(const int64_t group, object.Int(key, otherwise, -1, kMaxGroup));
  if (group == 0) {
    return (*object.At(key)).Error("0 is no group size; -1 means one group for a whole row");
  }
  return group;
}

/// [rows, columns].
absl::StatusOr<std::optional<std::pair<int64_t, int64_t>>> ReadBlock(const JsonValue& object,
                                                                     absl::string_view key) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> value, object.Find(key));
  if (!value) return std::nullopt;
  QUANTD_ASSIGN_OR_RETURN(const std::vector<JsonValue> sizes, value->Elements());
  if (sizes.size() != 2) {
    return value->Error(absl::StrCat("expected 2 numbers, found ", sizes.size()));
  }
  QUANTD_ASSIGN_OR_RETURN(const int64_t rows, sizes[0].Int(1, kMaxGroup));
  QUANTD_ASSIGN_OR_RETURN(const int64_t cols, sizes[1].Int(1, kMaxGroup));
  return std::pair(rows, cols);
}

absl::StatusOr<GptqConfig> ReadGptq(const JsonValue& object) {
  GptqConfig config;
  QUANTD_ASSIGN_OR_RETURN(config.bits, ReadBits(object, "bits", "", {2, 3, 4, 8}));
  QUANTD_ASSIGN_OR_RETURN(config.group_size, ReadGroupSize(object, "group_size", 128));
  QUANTD_ASSIGN_OR_RETURN(config.desc_act, object.Bool("desc_act", false));
  QUANTD_ASSIGN_OR_RETURN(config.sym, object.Bool("sym", true));
  QUANTD_ASSIGN_OR_RETURN(const auto format, FirstText(object, {"checkpoint_format", "format"}));
  QUANTD_ASSIGN_OR_RETURN(const bool marlin, object.Bool("is_marlin_format", false));
  const char* kInstead = "save the model with format gptq or gptq_v2 (GPTQModel does)";
  if (marlin) return UnsupportedText(*object.At("is_marlin_format"), "true", kInstead);
  if (format && format->second != "gptq" && format->second != "gptq_v2") {
    return UnsupportedText(format->first, format->second, kInstead);
  }
  config.zeros_minus_one = !format || format->second == "gptq";
  QUANTD_ASSIGN_OR_RETURN(const auto pack, FirstText(object, {"pack_dtype"}));
  if (pack && pack->second != "int32") {
    return UnsupportedText(pack->first, pack->second, "save the model with pack_dtype int32");
  }
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> dynamic, object.Find("dynamic"));
  config.per_module = dynamic.has_value();
  return config;
}

absl::StatusOr<AwqConfig> ReadAwq(const JsonValue& object) {
  AwqConfig config;
  QUANTD_ASSIGN_OR_RETURN(config.bits, ReadBits(object, "bits", "w_bit", {4}));
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> group, object.Find("group_size"));
  QUANTD_ASSIGN_OR_RETURN(config.group_size,
                          ReadGroupSize(object, group ? "group_size" : "q_group_size", 128));
  QUANTD_ASSIGN_OR_RETURN(const auto version, FirstText(object, {"version", "format"}));
  if (version && version->second != "gemm") {
    return UnsupportedText(version->first, version->second,
                           "quantize the model with AutoAWQ's version gemm");
  }
  QUANTD_ASSIGN_OR_RETURN(const bool zero_point, object.Bool("zero_point", true));
  if (zero_point) return config;
  return UnsupportedText(*object.At("zero_point"), "false",
                         "quantize the model with zero_point true");
}

absl::StatusOr<BitsAndBytesConfig> ReadBitsAndBytes(const JsonValue& object) {
  BitsAndBytesConfig config;
  QUANTD_ASSIGN_OR_RETURN(config.four_bits, object.Bool("load_in_4bit", false));
  QUANTD_ASSIGN_OR_RETURN(const bool eight_bits, object.Bool("load_in_8bit", false));
  if (config.four_bits == eight_bits) {
    return object.Error("exactly one of load_in_4bit and load_in_8bit must be true");
  }
  QUANTD_ASSIGN_OR_RETURN(config.quant_type, object.String("bnb_4bit_quant_type", "fp4"));
  if (config.four_bits && config.quant_type != "nf4" && config.quant_type != "fp4") {
    return UnsupportedText(*object.At("bnb_4bit_quant_type"), config.quant_type, "nf4 and fp4 are");
  }
  QUANTD_ASSIGN_OR_RETURN(config.double_quant, object.Bool("bnb_4bit_use_double_quant", false));
  QUANTD_ASSIGN_OR_RETURN(config.outlier_threshold,
                          object.Number("llm_int8_threshold", 6, 0, 1e30));
  return config;
}

absl::StatusOr<CompressedTensorsArgs> ReadArgs(const JsonValue& object) {
  using Args = CompressedTensorsArgs;
  constexpr Named<Args::Type> kTypes[] = {{"int", Args::Type::kInt}, {"float", Args::Type::kFloat}};
  constexpr Named<Args::Strategy> kStrategies[] = {
      {"tensor", Args::Strategy::kTensor}, {"channel", Args::Strategy::kChannel},
      {"group", Args::Strategy::kGroup},   {"block", Args::Strategy::kBlock},
      {"token", Args::Strategy::kToken},   {"tensor_group", Args::Strategy::kTensorGroup}};
  Args args;
  QUANTD_ASSIGN_OR_RETURN(const int64_t bits, object.Int("num_bits", 8, 1, 32));
  args.bits = static_cast<int>(bits);
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> type, object.Find("type"));
  if (type) {
    QUANTD_ASSIGN_OR_RETURN(args.type, ReadName(*type, kTypes));
  }
  QUANTD_ASSIGN_OR_RETURN(args.symmetric, object.Bool("symmetric", true));
  QUANTD_ASSIGN_OR_RETURN(args.group_size, ReadGroupSize(object, "group_size", -1));
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> grouped, object.Find("group_size"));
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> strategy, object.Find("strategy"));
  if (strategy) {
    QUANTD_ASSIGN_OR_RETURN(args.strategy, ReadName(*strategy, kStrategies));
  } else if (grouped) {
    args.strategy = args.group_size > 0 ? Args::Strategy::kGroup : Args::Strategy::kChannel;
  }
  if (args.strategy == Args::Strategy::kGroup && args.group_size < 1) {
    return object.Error("strategy \"group\" needs a group_size of at least 1");
  }
  QUANTD_ASSIGN_OR_RETURN(const auto block, ReadBlock(object, "block_structure"));
  if (args.strategy == Args::Strategy::kBlock && !block) {
    return object.Error("strategy \"block\" needs a block_structure");
  }
  args.block = block.value_or(args.block);
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> dynamic, object.Find("dynamic"));
  if (dynamic && dynamic->is_string()) {  // "local": scales of groups only
    args.dynamic = true;
  } else if (dynamic) {
    QUANTD_ASSIGN_OR_RETURN(args.dynamic, dynamic->Bool());
  }
  return args;
}

/// The format of a group: its own, or that of the whole model.
absl::StatusOr<CompressedTensorsGroup::Format> ReadFormat(const JsonValue& group,
                                                          const JsonValue& model) {
  using Format = CompressedTensorsGroup::Format;
  constexpr Named<Format> kFormats[] = {{"pack-quantized", Format::kPackQuantized},
                                        {"int-quantized", Format::kIntQuantized},
                                        {"float-quantized", Format::kFloatQuantized},
                                        {"mxfp4-pack-quantized", Format::kMxfp4},
                                        {"naive-quantized", Format::kIntQuantized}};
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> own, group.Find("format"));
  if (own) return ReadName(*own, kFormats);
  QUANTD_ASSIGN_OR_RETURN(const JsonValue format, model.At("format"));
  return ReadName(format, kFormats);
}

/// Whether the kernels' arithmetic holds what the group asks for; else an error saying what would.
absl::Status CheckGroup(const JsonValue& weights, const CompressedTensorsGroup& group) {
  using Format = CompressedTensorsGroup::Format;
  using Type = CompressedTensorsArgs::Type;
  const bool mxfp4 = group.format == Format::kMxfp4;
  const bool is_float = mxfp4 || group.format == Format::kFloatQuantized;
  if (is_float != (group.weights.type == Type::kFloat)) {
    return weights.Error("its type does not belong to the format");
  }
  if (mxfp4) {
    if (group.weights.bits == 4 && group.weights.symmetric) return absl::OkStatus();
    return weights.Unsupported("only symmetric 4-bit floats are supported in this format");
  }
  const bool packed = group.format == Format::kPackQuantized;
  if (group.weights.bits == 8 || (packed && group.weights.bits == 4)) return absl::OkStatus();
  return weights.Unsupported(absl::StrCat(group.weights.bits, " bits are not supported; ",
                                          packed ? "4 and 8 are" : "8 are"));
}

absl::StatusOr<CompressedTensorsGroup> ReadGroup(absl::string_view name, const JsonValue& object,
                                                 const JsonValue& model) {
  using Format = CompressedTensorsGroup::Format;
  CompressedTensorsGroup group;
  group.name = std::string(name);
  QUANTD_ASSIGN_OR_RETURN(const JsonValue targets, object.At("targets"));
  QUANTD_ASSIGN_OR_RETURN(group.targets, targets.Strings());
  QUANTD_ASSIGN_OR_RETURN(const JsonValue weights, object.At("weights"));
  QUANTD_ASSIGN_OR_RETURN(group.weights, ReadArgs(weights));
  QUANTD_ASSIGN_OR_RETURN(group.format, ReadFormat(object, model));
  // "naive-quantized" stores either type one weight per element.
  if (group.format == Format::kIntQuantized &&
      group.weights.type == CompressedTensorsArgs::Type::kFloat) {
    group.format = Format::kFloatQuantized;
  }
  QUANTD_RETURN_IF_ERROR(CheckGroup(weights, group));
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> inputs, object.Find("input_activations"));
  if (inputs) {
    QUANTD_ASSIGN_OR_RETURN(group.activations, ReadArgs(*inputs));
  }
  return group;
}

/// Parts of the configuration that would change what is computed, and must be absent or empty.
absl::Status RefuseTransforms(const JsonValue& object) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> transform,
                          object.Find("transform_config"));
  if (transform) {
    QUANTD_ASSIGN_OR_RETURN(const auto members, transform->Members());
    if (!members.empty()) {
      return transform->Unsupported("transforms are not supported; quantize without them");
    }
  }
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> sparsity, object.Find("sparsity_config"));
  if (!sparsity) return absl::OkStatus();
  QUANTD_ASSIGN_OR_RETURN(const std::string format, sparsity->String("format", "dense"));
  if (format == "dense") return absl::OkStatus();
  return UnsupportedText(*sparsity->At("format"), format, "save the model with format dense");
}

absl::StatusOr<CompressedTensorsConfig> ReadCompressedTensors(const JsonValue& object) {
  QUANTD_RETURN_IF_ERROR(RefuseTransforms(object));
  CompressedTensorsConfig config;
  QUANTD_ASSIGN_OR_RETURN(const JsonValue groups, object.At("config_groups"));
  QUANTD_ASSIGN_OR_RETURN(const auto members, groups.Members());
  for (const auto& [name, group] : members) {
    QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> weights, group.Find("weights"));
    if (!weights) continue;  // quantizes activations or the cache only
    QUANTD_ASSIGN_OR_RETURN(config.groups.emplace_back(), ReadGroup(name, group, object));
  }
  if (config.groups.empty()) return groups.Error("no group quantizes weights");
  // "group_2" comes before "group_10".
  std::stable_sort(config.groups.begin(), config.groups.end(),
                   [](const auto& a, const auto& b) { return a.name.size() < b.name.size(); });
  return config;
}

absl::StatusOr<Fp8Config> ReadFp8(const JsonValue& object) {
  constexpr Named<bool> kActivations[] = {{"dynamic", false}, {"static", true}};
  constexpr Named<bool> kFormats[] = {{"e4m3", true}, {"float8_e4m3fn", true}};
  constexpr Named<bool> kExperts[] = {{"fp8", true}};
  Fp8Config config;
  QUANTD_ASSIGN_OR_RETURN(config.block, ReadBlock(object, "weight_block_size"));
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> scheme, object.Find("activation_scheme"));
  if (scheme) {
    QUANTD_ASSIGN_OR_RETURN(config.static_activations, ReadName(*scheme, kActivations));
  }
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> format, object.Find("fmt"));
  if (format) QUANTD_RETURN_IF_ERROR(ReadName(*format, kFormats).status());
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> experts, object.Find("expert_dtype"));
  if (experts) QUANTD_RETURN_IF_ERROR(ReadName(*experts, kExperts).status());
  return config;
}

absl::StatusOr<FbgemmFp8Config> ReadFbgemmFp8(const JsonValue& object) {
  FbgemmFp8Config config;
  QUANTD_ASSIGN_OR_RETURN(config.activation_scale_ub,
                          object.Number("activation_scale_ub", 1200, 0, 1e30));
  return config;
}

absl::StatusOr<Mxfp4Config> ReadMxfp4(const JsonValue&) { return Mxfp4Config(); }

/// A method that this build reads. ONE row per method.
struct Method {
  const char* name;
  absl::StatusOr<QuantizationConfig::Scheme> (*read)(const JsonValue& object);
  std::vector<const char*> skip_keys;  ///< each a list of modules that are not quantized
};

template <auto kRead>
absl::StatusOr<QuantizationConfig::Scheme> AsScheme(const JsonValue& object) {
  QUANTD_ASSIGN_OR_RETURN(auto config, kRead(object));
  return QuantizationConfig::Scheme(std::move(config));
}

const std::vector<Method>& Methods() {
  static const auto* const methods = new std::vector<Method>{
      {"gptq", AsScheme<ReadGptq>, {"modules_to_not_convert"}},
      {"awq", AsScheme<ReadAwq>, {"modules_to_not_convert"}},
      {"bitsandbytes", AsScheme<ReadBitsAndBytes>, {"llm_int8_skip_modules"}},
      {"compressed-tensors", AsScheme<ReadCompressedTensors>, {"ignore"}},
      {"fp8", AsScheme<ReadFp8>, {"modules_to_not_convert", "ignored_layers"}},
      {"fbgemm_fp8", AsScheme<ReadFbgemmFp8>, {"modules_to_not_convert"}},
      {"mxfp4", AsScheme<ReadMxfp4>, {"modules_to_not_convert"}},
  };
  return *methods;
}

absl::StatusOr<std::string> MethodName(const JsonValue& object, absl::string_view otherwise) {
  QUANTD_ASSIGN_OR_RETURN(std::string method, object.String("quant_method", otherwise));
  if (!method.empty()) return method;
  // Early bitsandbytes checkpoints do not say.
  for (const char* key : {"load_in_4bit", "load_in_8bit"}) {
    QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> member, object.Find(key));
    if (member) return "bitsandbytes";
  }
  return object.At("quant_method").status();
}

absl::Status UnsupportedMethod(const JsonValue& object, absl::string_view method) {
  std::string instead = "supported are:";
  for (const Method& known : Methods()) {
    absl::StrAppend(&instead, known.name == Methods()[0].name ? " " : ", ", known.name);
  }
  for (const ForeignMethod& foreign : kForeignMethods) {
    if (method == foreign.name) instead = foreign.instead;
  }
  return object.Unsupported(
      absl::StrCat("quant_method \"", Printable(method), "\" is not supported; ", instead));
}

}  // namespace

absl::StatusOr<QuantizationConfig> ReadQuantizationConfig(const JsonValue& object,
                                                          absl::string_view default_method) {
  QuantizationConfig config;
  QUANTD_ASSIGN_OR_RETURN(config.method, MethodName(object, default_method));
  const auto method = std::find_if(Methods().begin(), Methods().end(), [&](const Method& known) {
    return config.method == known.name;
  });
  if (method == Methods().end()) return UnsupportedMethod(object, config.method);
  QUANTD_ASSIGN_OR_RETURN(config.scheme, method->read(object));
  for (const char* key : method->skip_keys) {
    QUANTD_ASSIGN_OR_RETURN(const std::vector<std::string> skipped, object.Strings(key));
    config.skipped_modules.insert(config.skipped_modules.end(), skipped.begin(), skipped.end());
  }
  return config;
}

}  // namespace quantd
