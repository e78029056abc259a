#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "kernels/base/status_macros.h"
#include "server/cli/commands.h"
#include "server/cli/evaluation.h"
#include "server/cli/format_rows.h"
#include "server/cli/interrupt.h"
#include "server/cli/json_output.h"
#include "server/cli/local_runtime.h"
#include "server/cli/output.h"

namespace quantd {
namespace {

constexpr char kCommand[] = "quantd eval";
constexpr char kFloat[] = "float";  // --against: the model itself, decoded

struct EvalOptions {
  std::string model, text;
  std::string against;  ///< "" = nothing, "float", or a model
  std::string as;       ///< a format to quantize to first; "" = none
  int32_t chunk = 256;
  double limit = 0;  ///< 0 = none
  bool json = false;
  RuntimeFlags runtime;
};

/// How the model is loaded: as it is, or quantized.
absl::StatusOr<LocalLoad> ModelLoading(const EvalOptions& options) {
  LocalLoad loading;
  if (options.as.empty()) return loading;
  QUANTD_ASSIGN_OR_RETURN(const std::vector<ComparedFormat> formats,
                          ChooseFormats({options.as}, "--as"));
  loading.quantize_to = formats.front().format;
  return loading;
}

/// Loads what the model is compared with; null when nothing is.
absl::StatusOr<std::shared_ptr<ServedModel>> LoadReference(const EvalOptions& options,
                                                           const RuntimeContext& runtime) {
  if (options.against.empty()) return nullptr;
  const bool itself = options.against == kFloat;
  LocalLoad loading;
  if (itself) {
    QUANTD_ASSIGN_OR_RETURN(loading, ModelLoading(options));
    loading.decode_to_float = true;
  }
  return LoadForOneSequence(runtime, itself ? options.model : options.against, options.runtime,
                            loading);
}

void PrintAsJson(const EvalOptions& options, const ServedModel& served,
                 const Evaluation& evaluation, absl::Duration elapsed) {
  const PerplexityResult& result = evaluation.result;
  Json json = {{"model", options.model},
               {"format", served.format()},
               {"text", options.text},
               {"perplexity", result.perplexity},
               {"standard_error", result.standard_error},
               {"chunk", options.chunk},
               {"chunks", result.chunks},
               {"tokens_scored", result.tokens_scored},
               {"kv_type", KvTypeName(served.kv_type())},
               {"seconds", JsonSeconds(elapsed)}};
  if (evaluation.comparison) {
    json["against"] = ComparisonJson(options.against, *evaluation.comparison);
  }
  PrintJson(json);
}

void PrintEvaluation(const EvalOptions& options, const Evaluation& evaluation,
                     absl::Duration elapsed) {
  const PerplexityResult& result = evaluation.result;
  Print(absl::StrFormat("perplexity %.4f +- %.4f (%d tokens scored in %d chunks of %d, %s)\n",
                        result.perplexity, result.standard_error, result.tokens_scored,
                        result.chunks, options.chunk, FormatSeconds(elapsed)));
  if (!evaluation.comparison) return;
  const bool itself = options.against == kFloat;
  Print(DescribeComparison(itself ? "its own weights in float" : options.against,
                           *evaluation.comparison));
}

int Eval(const EvalOptions& options) {
  InterruptScope interrupts;
  const auto text = ReadText(options.text);
  if (!text.ok()) return Fail(kCommand, text.status());
  const auto runtime = OpenRuntime(options.runtime);
  if (!runtime.ok()) return Fail(kCommand, runtime.status());
  const auto loading = ModelLoading(options);
  if (!loading.ok()) return Fail(kCommand, loading.status());
  const auto served = LoadForOneSequence(**runtime, options.model, options.runtime, *loading);
  if (!served.ok()) return Fail(kCommand, served.status());

  const absl::Status has_text = (*served)->tokenizer().CheckText();
  if (!has_text.ok()) return Fail(kCommand, has_text);
  const auto reference = LoadReference(options, **runtime);
  if (!reference.ok()) return Fail(kCommand, reference.status());

  const absl::Time start = absl::Now();
  const auto evaluation =
      Evaluate(**served, reference->get(), *text, options.chunk, options.runtime.quiet);
  if (!evaluation.ok()) return Fail(kCommand, evaluation.status());
  if (options.json) {
    PrintAsJson(options, **served, *evaluation, absl::Now() - start);
  } else {
    PrintEvaluation(options, *evaluation, absl::Now() - start);
  }
  const double perplexity = evaluation->result.perplexity;
  if (options.limit > 0 && perplexity > options.limit) {
    return Fail(kCommand, absl::OutOfRangeError(
                              absl::StrFormat("%s: perplexity: %.4f is above --max-perplexity %g",
                                              options.model, perplexity, options.limit)));
  }
  return kExitOk;
}

}  // namespace

void AddEval(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command =
      app.add_subcommand("eval", "Perplexity of a model on a text: what quantization costs");
  command
      ->add_option("model", options->model,
                   "A .gguf file, or a folder with config.json and safetensors")
      ->required()
      ->type_name("MODEL");
  command->add_option("--text", options->text, "A text that the model was not trained on")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--chunk", options->chunk,
                   "Tokens read together, from 3 to the context; the second half of each\n"
                   "chunk is scored")
      ->type_name("N")
      ->check(CLI::Range(3, 1 << 24))
      ->capture_default_str();
  command
      ->add_option("--against", options->against,
                   "Compare the predictions with those of this model of the same vocabulary, or,\n"
                   "given 'float', with the model's own weights multiplied as floats")
      ->type_name("MODEL");
  command
      ->add_option(
          "--as", options->as,
          "Quantize the matrices of MODEL, in F32, F16 or BF16, to this format first, in\n"
          "memory, as 'quantd quantize --pure' does in a file. Beside the types of GGUF files\n"
          "NF4, FP4, FP8, INT8 and INT4-g128-zero")
      ->type_name("FORMAT");
  command
      ->add_option("--max-perplexity", options->limit,
                   "Fail (exit code 1) when the result is above this; 0 = never")
      ->type_name("X")
      ->check(CheckNotNegative)
      ->capture_default_str();
  command->add_flag("--json", options->json,
                    "One JSON object {model, perplexity, standard_error, tokens_scored, ...};\n"
                    "with --against also {against: {perplexity, kl_mean, top1_agreement, ...}}");
  AddContextFlag(command, &options->runtime);
  AddKvTypeFlag(command, &options->runtime.kv_type);
  AddThreadFlag(command, &options->runtime);
  AddKernelFlags(command, &options->runtime);
  AddQuietFlag(command, &options->runtime);
  command->footer(
      "Counted as llama.cpp's perplexity program does, so that figures can be compared. Lower is\n"
      "better; compare formats of one model on one text with one chunk size. The KL divergence\n"
      "from the model before quantization shows smaller losses: 0 = the same predictions.\n"
      "\n"
      "Examples:\n"
      "  quantd eval model-Q4_0.gguf --text heldout.txt\n"
      "  quantd eval model-Q4_0.gguf --text heldout.txt --against model-f16.gguf\n"
      "  quantd eval model-f16.gguf --as NF4 --text heldout.txt --against float\n"
      "  quantd eval model-Q4_0.gguf --text heldout.txt --max-perplexity 37.7 --json");
  command->callback([=] { *run = [options] { return Eval(*options); }; });
}

}  // namespace quantd
