#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "kernels/base/status_macros.h"
#include "runtime/convert/quantize_model.h"
#include "server/cli/commands.h"
#include "server/cli/evaluation.h"
#include "server/cli/interrupt.h"
#include "server/cli/json_output.h"
#include "server/cli/local_runtime.h"
#include "server/cli/output.h"
#include "server/cli/progress.h"
#include "server/cli/table.h"

namespace quantd {
namespace {

constexpr char kCommand[] = "quantd quantize";

struct QuantizeFlags {
  std::string model, output, type;
  std::string calibration_text;  ///< "" = none
  std::string evaluation_text;   ///< "" = none
  int32_t chunk = 256;
  bool pure = false;
  bool overwrite = false;
  bool json = false;
  RuntimeFlags runtime;
};

/// What the command did.
struct Outcome {
  std::vector<QuantizedTensor> tensors;
  std::optional<Evaluation> evaluation;
  absl::Duration elapsed;
};

/// Sums over tensors.
struct Totals {
  QuantizedTensor quantized;  ///< errors of the quantized ones
  uint64_t from_bytes = 0, to_bytes = 0;
  int64_t weights = 0;

  double bits_per_weight() const {
    return 8.0 * static_cast<double>(to_bytes) / static_cast<double>(weights);
  }
};

Totals SumUp(const std::vector<QuantizedTensor>& tensors) {
  Totals totals;
  for (const QuantizedTensor& tensor : tensors) {
    totals.from_bytes += tensor.from_bytes;
    totals.to_bytes += tensor.to_bytes;
    totals.weights += tensor.weights;
    totals.quantized.squared_error += tensor.squared_error;
    totals.quantized.squared_sum += tensor.squared_sum;
    totals.quantized.max_error = std::max(totals.quantized.max_error, tensor.max_error);
  }
  return totals;
}

absl::Status CheckOutput(const QuantizeFlags& flags) {
  std::error_code error;
  if (!std::filesystem::exists(flags.output, error)) return absl::OkStatus();
  if (std::filesystem::equivalent(flags.model, flags.output, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--output: ", flags.output, " is the model itself"));
  }
  if (flags.overwrite) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--output: ", flags.output, " exists; --overwrite replaces it"));
}

/// What every matrix gets to multiply when the model reads the calibration text.
absl::StatusOr<ColumnImportance> Calibrate(const QuantizeFlags& flags,
                                           const RuntimeContext& runtime) {
  if (flags.calibration_text.empty()) return ColumnImportance();
  QUANTD_ASSIGN_OR_RETURN(const EvaluationText text, ReadText(flags.calibration_text));
  QUANTD_ASSIGN_OR_RETURN(const std::shared_ptr<ServedModel> model,
                          LoadForOneSequence(runtime, flags.model, flags.runtime));
  const std::string label = absl::StrCat("calibrating on ", BaseName(text.path));
  auto importance =
      MeasureImportance(model->model(), model->kv_type(), EncodeText(*model, text),
                        ReadingOptions(*model, flags.chunk, label, flags.runtime.quiet));
  if (importance.ok()) return importance;
  return absl::Status(importance.status().code(),
                      absl::StrCat(text.path, ": ", importance.status().message()));
}

absl::StatusOr<std::vector<QuantizedTensor>> WriteOutput(const QuantizeFlags& flags,
                                                         const FormatMix& mix,
                                                         const RuntimeContext& runtime) {
  QuantizeModelOptions options;
  QUANTD_ASSIGN_OR_RETURN(options.importance, Calibrate(flags, runtime));
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<Checkpoint> source, Checkpoint::Open(flags.model));
  Progress bar(absl::StrCat("writing ", BaseName(flags.output)), flags.runtime.quiet);
  options.progress = [&](const QuantizeProgress& progress) {
    bar.Update(static_cast<double>(progress.done_bytes) /
                   static_cast<double>(std::max<uint64_t>(progress.total_bytes, 1)),
               std::string(progress.tensor));
    return !InterruptScope::Interrupted();
  };
  return QuantizeModel(*source, mix, flags.output, runtime.pool(), options);
}

/// Compares the new file with its source, where a text is given to do so.
absl::StatusOr<std::optional<Evaluation>> EvaluateOutput(const QuantizeFlags& flags,
                                                         const RuntimeContext& runtime) {
  if (flags.evaluation_text.empty()) return std::nullopt;
  QUANTD_ASSIGN_OR_RETURN(const EvaluationText text, ReadText(flags.evaluation_text));
  QUANTD_ASSIGN_OR_RETURN(const std::shared_ptr<ServedModel> source,
                          LoadForOneSequence(runtime, flags.model, flags.runtime));
  QUANTD_ASSIGN_OR_RETURN(const std::shared_ptr<ServedModel> output,
                          LoadForOneSequence(runtime, flags.output, flags.runtime));
  return Evaluate(*output, source.get(), text, flags.chunk, flags.runtime.quiet);
}

void PrintAsJson(const QuantizeFlags& flags, const FormatMix& mix, const Outcome& outcome) {
  const Totals totals = SumUp(outcome.tensors);
  Json tensors = Json::array();
  for (const QuantizedTensor& tensor : outcome.tensors) {
    Json entry = {{"name", tensor.name},
                  {"from", tensor.from},
                  {"to", tensor.to},
                  {"bytes", tensor.to_bytes}};
    if (tensor.quantized()) {
      entry["relative_error"] = tensor.RelativeError();
      entry["max_error"] = tensor.max_error;
    }
    tensors.push_back(std::move(entry));
  }
  Json json = {{"model", flags.model},
               {"output", flags.output},
               {"type", mix.name()},
               {"from_bytes", totals.from_bytes},
               {"to_bytes", totals.to_bytes},
               {"bits_per_weight", totals.bits_per_weight()},
               {"relative_error", totals.quantized.RelativeError()},
               {"seconds", JsonSeconds(outcome.elapsed)},
               {"tensors", std::move(tensors)}};
  if (outcome.evaluation) {
    json["text"] = flags.evaluation_text;
    json["perplexity"] = outcome.evaluation->result.perplexity;
    json["against"] = ComparisonJson(flags.model, *outcome.evaluation->comparison);
  }
  PrintJson(json);
}

void PrintForPeople(const QuantizeFlags& flags, const FormatMix& mix, const Outcome& outcome) {
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"TENSOR"}, {"FROM"}, {"TO"}, {"ERROR", kRight}, {"LARGEST", kRight}});
  for (const QuantizedTensor& tensor : outcome.tensors) {
    if (!tensor.quantized()) continue;
    table.AddRow({tensor.name, tensor.from, tensor.to,
                  absl::StrFormat("%.3f %%", 100 * tensor.RelativeError()),
                  FormatNumber(tensor.max_error)});
  }
  if (!table.empty()) Print(table.Render());
  const Totals totals = SumUp(outcome.tensors);
  Print(absl::StrFormat("%s: %s of %s, %.2f bits per weight, was %s; error %.3f %% (%s)\n",
                        EscapeText(flags.output), FormatBytes(totals.to_bytes), mix.name(),
                        totals.bits_per_weight(), FormatBytes(totals.from_bytes),
                        100 * totals.quantized.RelativeError(), FormatSeconds(outcome.elapsed)));
  if (!outcome.evaluation) return;
  Print(absl::StrFormat("perplexity %.4f\n", outcome.evaluation->result.perplexity));
  Print(DescribeComparison(flags.model, *outcome.evaluation->comparison));
}

int Quantize(const QuantizeFlags& flags) {
  InterruptScope interrupts;
  const auto mix = FormatMix::Find(flags.type);
  if (!mix.ok()) return Fail(kCommand, mix.status());
  const absl::Status output = CheckOutput(flags);
  if (!output.ok()) return Fail(kCommand, output);
  const auto runtime = OpenRuntime(flags.runtime);
  if (!runtime.ok()) return Fail(kCommand, runtime.status());

  const absl::Time start = absl::Now();
  Outcome outcome;
  auto tensors = WriteOutput(flags, flags.pure ? *mix : mix->WithFineOutput(), **runtime);
  if (!tensors.ok()) return Fail(kCommand, tensors.status());
  outcome.tensors = *std::move(tensors);
  outcome.elapsed = absl::Now() - start;
  auto evaluation = EvaluateOutput(flags, **runtime);
  if (!evaluation.ok()) return Fail(kCommand, evaluation.status());
  outcome.evaluation = *std::move(evaluation);
  if (flags.json) {
    PrintAsJson(flags, *mix, outcome);
  } else {
    PrintForPeople(flags, *mix, outcome);
  }
  return kExitOk;
}

void AddTextFlags(CLI::App* command, QuantizeFlags* flags) {
  command
      ->add_option("--imatrix-text", flags->calibration_text,
                   "A text to calibrate with: errors then count as much as the inputs that they\n"
                   "meet when the model reads it")
      ->type_name("FILE");
  command
      ->add_option("--eval-text", flags->evaluation_text,
                   "A text, not the one for calibration, to measure perplexity and KL divergence\n"
                   "from the source on")
      ->type_name("FILE");
  command->add_option("--chunk", flags->chunk, "Tokens of these texts that are read together")
      ->type_name("N")
      ->check(CLI::Range(3, 1 << 24))
      ->capture_default_str();
}

}  // namespace

void AddQuantize(CLI::App& app, CommandFn* run) {
  auto flags = std::make_shared<QuantizeFlags>();
  CLI::App* command =
      app.add_subcommand("quantize", "Write a model of full precision in a smaller format");
  command->add_option("model", flags->model, "A .gguf file in F32, F16 or BF16")
      ->required()
      ->type_name("MODEL");
  command->add_option("-o,--output", flags->output, "The .gguf file to write")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--type", flags->type,
                   "Type of the matrices, or a mix of types: " + FormatMix::Names())
      ->required()
      ->type_name("TYPE");
  command->add_flag("--pure", flags->pure,
                    "The output in TYPE too; else it is Q6_K where TYPE has fewer bits");
  AddTextFlags(command, flags.get());
  command->add_flag("--overwrite", flags->overwrite, "Replace the output if it exists");
  command->add_flag("--json", flags->json,
                    "One JSON object {output, type, bits_per_weight, tensors: [...], ...}");
  AddThreadFlag(command, &flags->runtime);
  AddKernelFlags(command, &flags->runtime);
  AddQuietFlag(command, &flags->runtime);
  command->footer(
      "Scales are searched for with the least squared error. ERROR is the root mean square of the\n"
      "error relative to that of the weights, LARGEST the largest error of one weight.\n"
      "\n"
      "Examples:\n"
      "  quantd quantize model-f16.gguf -o model-Q4_K_M.gguf --type Q4_K_M\n"
      "  quantd quantize model-f16.gguf -o model-Q4_K_M.gguf --type Q4_K_M \\\n"
      "      --imatrix-text calibration.txt --eval-text heldout.txt");
  command->callback([=] { *run = [flags] { return Quantize(*flags); }; });
}

}  // namespace quantd
