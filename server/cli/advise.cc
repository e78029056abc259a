#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/base/status_macros.h"
#include "runtime/cache/kv_block_pool.h"
#include "runtime/formats/scheme_table.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/linear_stack.h"
#include "server/cli/advice.h"
#include "server/cli/commands.h"
#include "server/cli/evaluation.h"
#include "server/cli/format_rows.h"
#include "server/cli/interrupt.h"
#include "server/cli/local_runtime.h"
#include "server/cli/output.h"
#include "server/scalar_text.h"

namespace quantd {
namespace {

constexpr char kCommand[] = "quantd advise";
/// Longer contexts are rare, and a KV cache for them would rule formats out.
constexpr int32_t kUsualContext = 4096;
/// Tokens of the text read together, as 'quantd eval' does.
constexpr int32_t kEvaluationChunk = 256;

struct AdviseOptions {
  std::string model, shape, memory;
  std::string text;           ///< "" = losses are not measured
  size_t text_tokens = 2048;  ///< of the text that are read; 0 = all
  std::vector<std::string> only;
  int32_t context = 0;  ///< 0 = the model's, at most kUsualContext
  int32_t reps = 2;
  bool json = false;
  RuntimeFlags runtime;
};

absl::StatusOr<ModelConfig> ReadConfig(const AdviseOptions& options) {
  if (options.model.empty() == options.shape.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("give MODEL or --shape; see '", kCommand, " --help'"));
  }
  if (!options.shape.empty()) {
    if (options.text.empty()) return ChooseShape(options.shape);
    return absl::InvalidArgumentError("--text: a shape has no weights to lose; give MODEL");
  }
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<Checkpoint> checkpoint,
                          Checkpoint::Open(options.model));
  return ReadModelConfig(*checkpoint);
}

/// All of an Advice but what takes time.
absl::StatusOr<Advice> Plan(const AdviseOptions& options, const RuntimeContext& runtime) {
  Advice advice;
  QUANTD_ASSIGN_OR_RETURN(advice.config, ReadConfig(options));
  const ModelConfig& config = advice.config;
  if (options.context > config.context) {
    return absl::InvalidArgumentError(absl::StrCat("--context: ", options.context,
                                                   " tokens; the model's context is ",
                                                   config.context, ", so give at most that"));
  }
  advice.context = options.context > 0 ? options.context : std::min(config.context, kUsualContext);
  const KvLayout layout{KvType::kF16, config.layers, config.kv_heads, config.head_dim};
  advice.kv_bytes = KvBlocksFor(advice.context) * layout.block_bytes();
  advice.memory_bytes = runtime.hardware().memory_bytes;
  if (!options.memory.empty()) {
    QUANTD_ASSIGN_OR_RETURN(advice.memory_bytes, ParseByteSize(options.memory));
  }
  QUANTD_ASSIGN_OR_RETURN(const std::vector<ComparedFormat> formats,
                          ChooseFormats(options.only, "--only"));
  for (const ComparedFormat& format : formats) {
    AdviceRow row;
    row.format = format;
    row.has_file_type = FindGgufScheme(format.name) != nullptr;
    const auto bytes = PackedModelBytes(config, format.format);
    if (bytes.ok()) {
      row.weight_bytes = *bytes;
      row.fits = row.weight_bytes <= advice.memory_bytes - advice.kv_bytes;
    } else {
      row.note = std::string(bytes.status().message());
    }
    advice.rows.push_back(std::move(row));
  }
  return advice;
}

/// Measures the formats that fit.
absl::Status AddSpeeds(const AdviseOptions& options, const RuntimeContext& runtime,
                       Advice* advice) {
  std::vector<ComparedFormat> formats;
  std::vector<AdviceRow*> rows;
  for (AdviceRow& row : advice->rows) {
    if (!row.fits) continue;
    formats.push_back(row.format);
    rows.push_back(&row);
  }
  FormatSpeedOptions speed;
  speed.reps = options.reps;
  QUANTD_ASSIGN_OR_RETURN(std::vector<FormatRow> measured,
                          MeasureFormats(advice->config, formats, speed, runtime,
                                         "measuring kernels", options.runtime.quiet));
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i]->speed = std::move(measured[i].speed);
    if (!measured[i].reason.empty()) rows[i]->note = std::move(measured[i].reason);
  }
  return absl::OkStatus();
}

/// Quantizes the model to each format that fits and compares it with itself on the text.
absl::Status AddLosses(const AdviseOptions& options, const RuntimeContext& runtime,
                       Advice* advice) {
  if (options.text.empty()) return absl::OkStatus();
  QUANTD_ASSIGN_OR_RETURN(EvaluationText text, ReadText(options.text));
  text.max_tokens = options.text_tokens;
  QUANTD_ASSIGN_OR_RETURN(const std::shared_ptr<ServedModel> full,
                          LoadForOneSequence(runtime, options.model, options.runtime));
  QUANTD_RETURN_IF_ERROR(full->tokenizer().CheckText());
  const int32_t chunk = std::min(kEvaluationChunk, advice->config.context);
  for (AdviceRow& row : advice->rows) {
    if (!row.fits) continue;
    LocalLoad how;
    how.quantize_to = row.format.format;
    const auto quantized = LoadForOneSequence(runtime, options.model, options.runtime, how);
    if (absl::IsResourceExhausted(quantized.status())) {
      // It fits alone, but not beside the full model that it is compared with.
      row.note = absl::StrCat("loss not measured: ", quantized.status().message());
      continue;
    }
    QUANTD_RETURN_IF_ERROR(quantized.status());
    QUANTD_ASSIGN_OR_RETURN(const Evaluation evaluation,
                            Evaluate(**quantized, full.get(), text, chunk, options.runtime.quiet));
    advice->full_perplexity = evaluation.comparison->reference.perplexity;
    row.loss = {evaluation.result.perplexity, evaluation.comparison->kl_mean};
  }
  return absl::OkStatus();
}

void PrintAdvice(const AdviseOptions& options, const RuntimeContext& runtime,
                 const Advice& advice) {
  Print(absl::StrFormat(
      "%s: %d layers of width %d; KV cache of %s for one sequence of %d tokens (f16)\n"
      "%s, %d threads, %s of memory\n"
      "Tokens per second of the matrix products, measured now\n\n",
      EscapeText(options.model.empty() ? "shape " + options.shape : options.model),
      advice.config.layers, advice.config.dim, FormatBytes(static_cast<uint64_t>(advice.kv_bytes)),
      advice.context, EscapeText(runtime.hardware().cpu_name), runtime.pool().size(),
      FormatBytes(static_cast<uint64_t>(advice.memory_bytes))));
  Print(AdviceTable(advice, TerminalWidth(stdout)));
  Print(absl::StrCat("\n", RecommendationText(advice), "\n"));
}

int Advise(const AdviseOptions& options) {
  InterruptScope interrupts;
  const auto runtime = OpenRuntime(options.runtime);
  if (!runtime.ok()) return Fail(kCommand, runtime.status());
  auto advice = Plan(options, **runtime);
  if (!advice.ok()) return Fail(kCommand, advice.status());
  // The losses first: a model or text that does not serve is found out at once.
  absl::Status measured = AddLosses(options, **runtime, &*advice);
  if (measured.ok()) measured = AddSpeeds(options, **runtime, &*advice);
  if (!measured.ok()) return Fail(kCommand, measured);
  if (options.json) {
    PrintJson(AdviceJson(*advice));
  } else {
    PrintAdvice(options, **runtime, *advice);
  }
  return kExitOk;
}

}  // namespace

void AddAdvise(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<AdviseOptions>();
  CLI::App* command =
      app.add_subcommand("advise", "Which weight format suits a model on this machine, and why");
  command->add_option("model", options->model, "A .gguf file or a folder; its shape counts")
      ->type_name("MODEL");
  command
      ->add_option("--shape", options->shape,
                   "A named shape instead; 'quantd synth --list-shapes' shows them")
      ->type_name("NAME");
  command
      ->add_option("--memory", options->memory,
                   "What weights and KV cache may take, as in 6GiB (default: this machine's or\n"
                   "container's memory)")
      ->type_name("BYTES")
      ->check(CheckByteSize);
  command
      ->add_option("--context", options->context,
                   "Tokens that the KV cache must hold (default: the model's context, at most\n" +
                       absl::StrCat(kUsualContext, ")"))
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 24));
  command
      ->add_option(
          "--text", options->text,
          "A text that the model, in F32, F16 or BF16, was not trained on: measure how much\n"
          "perplexity each format costs, and the KL divergence from the model as it is")
      ->type_name("FILE");
  command
      ->add_option("--text-tokens", options->text_tokens,
                   "Read only so many tokens of the text, from its start; 0 = all. Each format\n"
                   "reads them twice, quantized and not")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--only", options->only, "Look at these formats (default: all)")
      ->type_name("FORMAT,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--reps", options->reps, "Samples of each speed; the median is reported")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  command->add_flag(
      "--json", options->json,
      "One JSON object {shape, context, kv_bytes, memory_bytes, full_perplexity,\n"
      "formats: [{format, weight_bytes, fits, workloads, perplexity, kl_mean, ...}],\n"
      "recommended, reason}");
  AddThreadFlag(command, &options->runtime);
  AddKernelFlags(command, &options->runtime);
  AddQuietFlag(command, &options->runtime);
  command->footer(
      "Speeds are those of the matrix products of a few layers on random weights, scaled to the\n"
      "whole model, as 'quantd bench --formats' measures them; attention and sampling come on "
      "top.\n"
      "Formats that do not fit are not measured. With --text the model is quantized to one format\n"
      "after another in memory, every matrix as 'quantd quantize --pure' does; of the formats "
      "that\n"
      "cost at most 2 % of perplexity the fastest is recommended. For a model of a billion "
      "weights\n"
      "that takes minutes; --only shortens it.\n"
      "\n"
      "Examples:\n"
      "  quantd advise model-f16.gguf --text heldout.txt\n"
      "  quantd advise --shape llama-3-8b --memory 8GiB --context 8192 --json");
  command->callback([=] { *run = [options] { return Advise(*options); }; });
}

}  // namespace quantd
