#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "runtime/formats/gguf.h"
#include "runtime/formats/hf_config.h"
#include "runtime/lifecycle/open_tokenizer.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/model.h"
#include "runtime/model/model_config.h"
#include "runtime/tokenizer/tokenizer.h"
#include "server/cli/commands.h"
#include "server/cli/gguf_values.h"
#include "server/cli/json_output.h"
#include "server/cli/local_runtime.h"
#include "server/cli/output.h"
#include "server/cli/table.h"

namespace quantd {
namespace {

constexpr char kCommand[] = "quantd inspect";

struct InspectOptions {
  std::string file;
  bool json = false;
  bool tensors = false;
  RuntimeFlags runtime;
};

/// Everything that is known of a file. What could not be read has its error instead: a file whose
/// tokenizer is unknown is still worth looking at.
struct Inspection {
  std::unique_ptr<Checkpoint> checkpoint;
  absl::StatusOr<ModelConfig> config;
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer;
  absl::StatusOr<std::vector<WeightReport>> weights;

  bool vocabulary_only() const { return checkpoint->tensors().empty(); }
};

struct FormatTotal {
  uint64_t tensors = 0, weights = 0, bytes = 0;
};

/// "Q4_0"; of a scheme that packs many forms also which: "GPTQ (INT4-g128)".
std::string FormatOf(const CheckpointTensor& tensor) {
  const std::string format = FormatName(tensor.format);
  const bool plain = tensor.format.is_float() || format == tensor.scheme;
  return plain ? tensor.scheme : absl::StrCat(tensor.scheme, " (", format, ")");
}

std::vector<std::pair<std::string, FormatTotal>> FormatTotals(const Checkpoint& checkpoint) {
  std::map<std::string, FormatTotal> totals;
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    FormatTotal& total = totals[FormatOf(tensor)];
    ++total.tensors;
    total.weights += static_cast<uint64_t>(tensor.rows() * tensor.cols());
    total.bytes += tensor.bytes;
  }
  std::vector<std::pair<std::string, FormatTotal>> sorted(totals.begin(), totals.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.bytes > b.second.bytes; });
  return sorted;
}

FormatTotal Sum(const Checkpoint& checkpoint) {
  FormatTotal sum;
  for (const auto& [name, total] : FormatTotals(checkpoint)) {
    sum.tensors += total.tensors;
    sum.weights += total.weights;
    sum.bytes += total.bytes;
  }
  return sum;
}

/// KV cache bytes that one token takes.
uint64_t KvBytesPerToken(const ModelConfig& config, KvType type) {
  const KvLayout layout{type, config.layers, config.kv_heads, config.head_dim};
  return static_cast<uint64_t>(layout.block_bytes() / kKvBlockTokens);
}

const char* RopeScalingName(RopeScaling scaling) {
  switch (scaling) {
    case RopeScaling::kNone:
      return "none";
    case RopeScaling::kLinear:
      return "linear";
    case RopeScaling::kYarn:
      return "yarn";
    case RopeScaling::kLlama3:
      return "llama3";
  }
  return "?";
}

Json ConfigJson(const ModelConfig& config) {
  return {{"architecture", config.architecture},
          {"name", config.name},
          {"vocab", config.vocab},
          {"dim", config.dim},
          {"layers", config.layers},
          {"heads", config.heads},
          {"kv_heads", config.kv_heads},
          {"head_dim", config.head_dim},
          {"ff", config.ff},
          {"context", config.context},
          {"rms_eps", JsonFloat(config.rms_eps)},
          {"rope_dim", config.rope_dim},
          {"rope_base", JsonFloat(config.rope_base)},
          {"rope_scaling", RopeScalingName(config.rope_scaling)},
          {"rope_factor", JsonFloat(config.rope_factor)},
          {"tied_output", config.tied_output}};
}

Json MemoryJson(const Inspection& inspection) {
  const ModelConfig& config = *inspection.config;
  Json json = {{"weight_bytes", Sum(*inspection.checkpoint).bytes}};
  for (const KvTypeInfo& info : KvTypes()) {
    json[absl::StrCat("kv_bytes_per_token_", KvChoiceName(info.type))] =
        KvBytesPerToken(config, info.type);
  }
  json["kv_bytes_full_context_f16"] =
      KvBytesPerToken(config, KvType::kF16) * static_cast<uint64_t>(config.context);
  return json;
}

Json TokenizerJson(const Tokenizer& tokenizer) {
  const auto id = [](std::optional<int32_t> value) {
    return value.has_value() ? Json(*value) : Json(nullptr);
  };
  return {{"model", tokenizer.model_name()},
          {"pre", tokenizer.pre_name()},
          {"vocab", tokenizer.vocab_size()},
          {"bos", id(tokenizer.bos())},
          {"eos", id(tokenizer.eos())},
          {"end_ids", tokenizer.end_ids()},
          {"add_bos", tokenizer.default_add_bos()},
          {"add_eos", tokenizer.default_add_eos()}};
}

Json WeightJson(const WeightReport& weight) {
  return {{"name", weight.name},
          {"format", weight.format},
          {"n", weight.n},
          {"k", weight.k},
          {"file_bytes", weight.file_bytes},
          {"decode_kernel", weight.decode_kernel},
          {"batch_kernel", weight.batch_kernel},
          {"isa", weight.isa},
          {"native", weight.native},
          {"how", weight.how}};
}

/// GGUF's keys; of a folder what config.json says of the model as a whole.
Json MetadataJson(const Checkpoint& checkpoint) {
  Json metadata = Json::object();
  if (const GgufFile* gguf = checkpoint.gguf()) {
    for (const GgufKeyValue& entry : gguf->metadata()) metadata[entry.key] = GgufValueJson(entry);
  } else if (const HfConfig* config = checkpoint.hf_config()) {
    metadata["model_type"] = config->model_type();
    metadata["architecture"] = config->architecture();
    metadata["quant_method"] = config->quantization().method;
    metadata["skipped_modules"] = config->quantization().skipped_modules;
  }
  return metadata;
}

void PrintInspectionJson(const Inspection& inspection) {
  const Checkpoint& checkpoint = *inspection.checkpoint;
  const GgufFile* gguf = checkpoint.gguf();
  Json json = {{"file", checkpoint.path()},
               {"container", checkpoint.container()},
               {"version", gguf != nullptr ? Json(gguf->version()) : Json(nullptr)},
               {"file_bytes", checkpoint.file_bytes()},
               {"vocabulary_only", inspection.vocabulary_only()}};
  json["metadata"] = MetadataJson(checkpoint);

  Json errors = Json::array();
  const auto section = [&](const char* key, const absl::Status& status, auto value) {
    json[key] = status.ok() ? value() : Json(nullptr);
    if (!status.ok() && !inspection.vocabulary_only()) {
      errors.push_back(std::string(status.message()));
    }
  };
  section("config", inspection.config.status(), [&] { return ConfigJson(*inspection.config); });
  section("memory", inspection.config.status(), [&] { return MemoryJson(inspection); });
  section("tokenizer", inspection.tokenizer.status(),
          [&] { return TokenizerJson(**inspection.tokenizer); });
  section("weights", inspection.weights.status(), [&] {
    Json list = Json::array();
    for (const WeightReport& weight : *inspection.weights) list.push_back(WeightJson(weight));
    return list;
  });
  Json& formats = json["formats"] = Json::array();
  for (const auto& [name, total] : FormatTotals(checkpoint)) {
    formats.push_back({{"format", name},
                       {"tensors", total.tensors},
                       {"weights", total.weights},
                       {"bytes", total.bytes}});
  }
  Json& tensors = json["tensors"] = Json::array();
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    tensors.push_back({{"name", tensor.name},
                       {"stored", tensor.stored},
                       {"shape", tensor.shape},
                       {"format", FormatOf(tensor)},
                       {"bytes", tensor.bytes}});
  }
  json["errors"] = std::move(errors);
  PrintJson(json);
}

void PrintConfiguration(const HfConfig& config) {
  const QuantizationConfig& quantization = config.quantization();
  Print(absl::StrCat("\nConfiguration\n",  //
                     "Type           ", EscapeText(config.model_type()), "\n", "Quantization   ",
                     quantization.method.empty() ? "none" : EscapeText(quantization.method), "\n"));
  if (quantization.skipped_modules.empty()) return;
  Print(absl::StrCat("Not quantized  ",
                     EscapeText(absl::StrJoin(quantization.skipped_modules, ", ")), "\n"));
}

void PrintMetadata(const GgufFile& file) {
  Print("\nMetadata\n");
  Table table({{"KEY"}, {"TYPE"}, {"VALUE"}});
  for (const GgufKeyValue& entry : file.metadata()) {
    table.AddRow({entry.key, GgufValueType(entry), GgufValueText(entry)});
  }
  Print(table.Render());
}

void PrintConfig(const ModelConfig& config) {
  Print(absl::StrCat("\nModel\n",                                                        //
                     "Architecture   ", EscapeText(config.architecture), "\n",           //
                     "Layers         ", config.layers, "\n",                             //
                     "Width          ", config.dim, ", feed-forward ", config.ff, "\n",  //
                     "Attention      ", config.heads, " heads of ", config.head_dim, ", ",
                     config.kv_heads, " for keys and values\n",  //
                     "Vocabulary     ", config.vocab, " tokens, output matrix ",
                     config.tied_output ? "shared with the embedding" : "of its own", "\n",  //
                     "Context        ", config.context, " tokens\n",                         //
                     "Rotary         ", config.rope_dim, " dimensions, base ",
                     FormatNumber(config.rope_base), ", scaling ",
                     RopeScalingName(config.rope_scaling), "\n"));
}

void PrintMemory(const Inspection& inspection) {
  const ModelConfig& config = *inspection.config;
  const uint64_t weights = Sum(*inspection.checkpoint).bytes;
  const uint64_t per_token = KvBytesPerToken(config, KvType::kF16);
  const uint64_t cache = per_token * static_cast<uint64_t>(config.context);
  Print(absl::StrCat("\nMemory (estimate)\n",                        //
                     "Weights        ", FormatBytes(weights), "\n",  //
                     "KV cache       ", FormatBytes(per_token), " per token in f16, ",
                     FormatBytes(cache), " for one full context; per token in int8 ",
                     FormatBytes(KvBytesPerToken(config, KvType::kInt8)), "\n",  //
                     "Together       ", FormatBytes(weights + cache), " for one sequence\n"));
}

void PrintTokenizer(const Tokenizer& tokenizer) {
  const auto id = [](std::optional<int32_t> value) {
    return value.has_value() ? absl::StrCat(*value) : std::string("none");
  };
  Print(absl::StrCat(
      "\nTokenizer\n",  //
      "Kind           ", EscapeText(tokenizer.model_name()),
      tokenizer.pre_name().empty() ? "" : ", pre-tokenizer ", EscapeText(tokenizer.pre_name()),
      "\n",                                                    //
      "Vocabulary     ", tokenizer.vocab_size(), " tokens\n",  //
      "BOS            ", id(tokenizer.bos()),
      tokenizer.default_add_bos() ? ", put before prompts\n" : ", not put before prompts\n",
      "Generation ends at ", absl::StrJoin(tokenizer.end_ids(), ", "), "\n"));
}

void PrintFormats(const Checkpoint& checkpoint) {
  Print("\nFormats\n");
  using Align = Table::Align;
  Table table({{"FORMAT"},
               {"TENSORS", Align::kRight},
               {"WEIGHTS", Align::kRight},
               {"BYTES", Align::kRight}});
  for (const auto& [name, total] : FormatTotals(checkpoint)) {
    table.AddRow(
        {name, absl::StrCat(total.tensors), FormatCount(total.weights), FormatBytes(total.bytes)});
  }
  const FormatTotal sum = Sum(checkpoint);
  table.AddRow(
      {"all", absl::StrCat(sum.tensors), FormatCount(sum.weights), FormatBytes(sum.bytes)});
  Print(table.Render());
}

/// Weights that get the same kernels, as one line.
void PrintKernels(const std::vector<WeightReport>& weights) {
  using Key = std::tuple<std::string, std::string, std::string>;
  std::map<Key, std::pair<FormatTotal, const WeightReport*>> groups;
  for (const WeightReport& weight : weights) {
    auto& [total, example] = groups[{weight.format, weight.decode_kernel, weight.batch_kernel}];
    ++total.tensors;
    total.bytes += weight.file_bytes;
    example = &weight;
  }
  Print("\nKernels on this machine\n");
  Table table({{"FORMAT"},
               {"WEIGHTS", Table::Align::kRight},
               {"BYTES", Table::Align::kRight},
               {"DECODE"},
               {"BATCH"},
               {"TYPE"},
               {"HOW"}});
  for (const auto& [key, group] : groups) {
    const auto& [total, example] = group;
    table.AddRow({example->format, absl::StrCat(total.tensors), FormatBytes(total.bytes),
                  example->decode_kernel, example->batch_kernel,
                  example->native ? "native" : "emulated", example->how});
  }
  Print(table.Render(TerminalWidth(stdout)));
}

void PrintTensors(const Inspection& inspection) {
  std::map<std::string, const WeightReport*> kernels;
  if (inspection.weights.ok()) {
    for (const WeightReport& weight : *inspection.weights) kernels[weight.name] = &weight;
  }
  Print("\nTensors (shape: contiguous dimension first)\n");
  Table table({{"NAME"},
               {"SHAPE"},
               {"FORMAT"},
               {"BYTES", Table::Align::kRight},
               {"DECODE KERNEL"},
               {"BATCH KERNEL"}});
  for (const CheckpointTensor& tensor : inspection.checkpoint->tensors()) {
    const auto found = kernels.find(tensor.name);
    const WeightReport* weight = found != kernels.end() ? found->second : nullptr;
    table.AddRow({tensor.name, absl::StrJoin(tensor.shape, " x "), FormatOf(tensor),
                  absl::StrCat(tensor.bytes), weight != nullptr ? weight->decode_kernel : "-",
                  weight != nullptr ? weight->batch_kernel : "-"});
  }
  Print(table.Render());
}

void PrintInspection(const Inspection& inspection, bool tensors) {
  const Checkpoint& checkpoint = *inspection.checkpoint;
  const GgufFile* gguf = checkpoint.gguf();
  const size_t files = checkpoint.file_count();
  Print(absl::StrCat(
      EscapeText(checkpoint.path()), ": ", checkpoint.container(), ", ",
      FormatBytes(checkpoint.file_bytes()), files > 1 ? absl::StrCat(" in ", files, " files") : "",
      gguf != nullptr ? absl::StrCat(", ", gguf->metadata().size(), " metadata keys") : "", ", ",
      checkpoint.tensors().size(), " tensors\n"));
  if (gguf != nullptr) {
    PrintMetadata(*gguf);
  } else {
    PrintConfiguration(*checkpoint.hf_config());
  }
  const auto problem = [](const char* title, const absl::Status& status) {
    Print(absl::StrCat("\n", title, "\n", EscapeText(status.message()), "\n"));
  };
  if (inspection.tokenizer.ok()) {
    PrintTokenizer(**inspection.tokenizer);
  } else {
    problem("Tokenizer: cannot be used", inspection.tokenizer.status());
  }
  if (inspection.vocabulary_only()) {
    Print("\nNo tensors: a vocabulary only");
    Print(inspection.tokenizer.ok() ? " ('quantd tokenize' works on it)\n" : "\n");
    return;
  }
  if (inspection.config.ok()) {
    PrintConfig(*inspection.config);
    PrintMemory(inspection);
  } else {
    problem("Model: cannot be served", inspection.config.status());
  }
  PrintFormats(checkpoint);
  if (inspection.weights.ok()) PrintKernels(*inspection.weights);
  if (tensors) PrintTensors(inspection);
}

int Inspect(const InspectOptions& options) {
  auto checkpoint = Checkpoint::Open(options.file);
  if (!checkpoint.ok()) return Fail(kCommand, checkpoint.status());
  const auto runtime = OpenRuntime(options.runtime);
  if (!runtime.ok()) return Fail(kCommand, runtime.status());

  const Checkpoint& model = **checkpoint;
  Inspection inspection{nullptr, ReadModelConfig(model), OpenTokenizer(model),
                        ReportWeights(model, (*runtime)->kernels())};
  inspection.checkpoint = *std::move(checkpoint);
  if (options.json) {
    PrintInspectionJson(inspection);
  } else {
    PrintInspection(inspection, options.tensors);
  }
  return kExitOk;
}

}  // namespace

void AddInspect(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<InspectOptions>();
  options->runtime.threads = 1;  // nothing is computed
  CLI::App* command = app.add_subcommand(
      "inspect", "What is in a model file, what it needs, and which kernels it would get");
  command
      ->add_option("file", options->file,
                   "A .gguf file, or a folder with config.json and safetensors")
      ->required()
      ->type_name("FILE");
  command->add_flag("--tensors", options->tensors,
                    "List every tensor with shape, format, bytes and kernels (JSON always does)");
  command->add_flag("--json", options->json,
                    "One JSON object {file, metadata, config, memory, tokenizer, formats,\n"
                    "tensors, weights, errors}");
  AddKernelFlags(command, &options->runtime);
  command->footer(
      "Only the header is read: a file of any size takes a moment. Files with a vocabulary and no\n"
      "tensors are fine. A file that can be read but not served is reported as such (exit code "
      "0).\n"
      "\n"
      "Examples:\n"
      "  quantd inspect model.gguf\n"
      "  quantd inspect model.gguf --tensors\n"
      "  quantd inspect model.gguf --json | jq .memory");
  command->callback([=] { *run = [options] { return Inspect(*options); }; });
}

}  // namespace quantd
