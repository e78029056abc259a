#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "kernels/base/status_macros.h"
#include "runtime/convert/quantize_folder.h"
#include "runtime/convert/quantize_model.h"
#include "server/cli/commands.h"
#include "server/cli/evaluation.h"
#include "server/cli/interrupt.h"
#include "server/cli/local_runtime.h"
#include "server/cli/output.h"
#include "server/cli/progress.h"
#include "server/cli/quantize_report.h"
#include "server/scalar_text.h"

namespace quantd {
namespace {

constexpr char kCommand[] = "quantd quantize";

struct QuantizeFlags {
  std::string model, output, type;
  std::string calibration_text;  ///< "" = none
  std::string evaluation_text;   ///< "" = none
  int32_t chunk = 256;
  bool pure = false, requantize = false;
  FolderSettings folder;  ///< of a folder's scheme
  std::string calibration_memory = "4GiB", shard_size = "5000000000";
  bool overwrite = false;
  bool json = false;
  RuntimeFlags runtime;
};

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

/// Draws on `bar`; an interrupt cancels.
std::function<bool(const QuantizeProgress&)> ProgressOn(Progress* bar) {
  return [bar](const QuantizeProgress& progress) {
    bar->Update(static_cast<double>(progress.done_bytes) /
                    static_cast<double>(std::max<uint64_t>(progress.total_bytes, 1)),
                std::string(progress.tensor));
    return !InterruptScope::Interrupted();
  };
}

absl::StatusOr<std::vector<QuantizedTensor>> WriteOutput(const QuantizeFlags& flags,
                                                         const FormatMix& mix,
                                                         const RuntimeContext& runtime,
                                                         std::vector<std::string>* notes) {
  QuantizeModelOptions options;
  options.requantize = flags.requantize;
  options.note = [&](const std::string& note) { notes->push_back(note); };
  QUANTD_ASSIGN_OR_RETURN(options.importance, Calibrate(flags, runtime));
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<Checkpoint> source, Checkpoint::Open(flags.model));
  Progress bar(absl::StrCat("writing ", BaseName(flags.output)), flags.runtime.quiet);
  options.progress = ProgressOn(&bar);
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

/// The model that reads the calibration text of a folder's scheme.
absl::StatusOr<FolderCalibration> CalibrateFolder(const QuantizeFlags& flags,
                                                  const ServedModel& model) {
  QUANTD_ASSIGN_OR_RETURN(const EvaluationText text, ReadText(flags.calibration_text));
  FolderCalibration calibration;
  calibration.model = &model.model();
  calibration.kv_type = model.kv_type();
  calibration.tokens = EncodeText(model, text);
  calibration.reading =
      ReadingOptions(model, flags.chunk, absl::StrCat("calibrating on ", BaseName(text.path)),
                     flags.runtime.quiet);
  QUANTD_ASSIGN_OR_RETURN(const int64_t memory, ParseByteSize(flags.calibration_memory));
  calibration.memory_bytes = static_cast<uint64_t>(memory);
  return calibration;
}

absl::StatusOr<std::vector<QuantizedTensor>> WriteFolder(const QuantizeFlags& flags,
                                                         const FolderScheme& scheme,
                                                         const RuntimeContext& runtime,
                                                         std::vector<std::string>* notes) {
  QuantizeFolderOptions options;
  options.settings = flags.folder;
  options.requantize = flags.requantize;
  options.note = [&](const std::string& note) { notes->push_back(note); };
  options.overwrite = flags.overwrite;
  QUANTD_ASSIGN_OR_RETURN(const int64_t shard_bytes, ParseByteSize(flags.shard_size));
  options.shard_bytes = static_cast<uint64_t>(shard_bytes);
  std::shared_ptr<ServedModel> model;
  if (scheme.calibrated()) {
    QUANTD_ASSIGN_OR_RETURN(model, LoadForOneSequence(runtime, flags.model, flags.runtime));
    QUANTD_ASSIGN_OR_RETURN(options.calibration, CalibrateFolder(flags, *model));
  }
  Progress bar(absl::StrCat("writing ", BaseName(flags.output)), flags.runtime.quiet);
  options.progress = ProgressOn(&bar);
  return QuantizeFolder(flags.model, scheme, flags.output, runtime.pool(), options);
}

/// What a scheme of folders needs of the command line, checked before anything is read.
absl::Status CheckFolderFlags(const QuantizeFlags& flags, const FolderScheme& scheme) {
  QUANTD_RETURN_IF_ERROR(CheckSettings(scheme, flags.folder));
  if (flags.pure) {
    return absl::InvalidArgumentError(absl::StrCat(
        "pure: ", scheme.name, " leaves the output in the type of the model; leave it out"));
  }
  if (flags.requantize && std::filesystem::is_directory(flags.model)) {
    return absl::InvalidArgumentError(
        absl::StrCat("requantize: ", scheme.name,
                     " is written from a folder in F32, F16 or BF16 only, or from a GGUF file"));
  }
  if (!scheme.calibrated() && !flags.calibration_text.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "imatrix-text: ", scheme.name, " is not calibrated; leave it out, or use GPTQ or AWQ"));
  }
  if (scheme.calibrated() && flags.calibration_text.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "imatrix-text: ", scheme.name,
        " needs a text to calibrate with, some 100,000 characters like those that the model will "
        "read; W4A16 and NF4 need none"));
  }
  return absl::OkStatus();
}

/// A type of GGUF files, or a scheme of folders.
struct OutputType {
  const FolderScheme* scheme = nullptr;  ///< else a mix
  std::optional<FormatMix> mix;
  const char* name() const { return scheme != nullptr ? scheme->name : mix->name(); }
};

absl::StatusOr<OutputType> FindType(const QuantizeFlags& flags) {
  OutputType type;
  type.scheme = FindFolderScheme(flags.type);
  if (type.scheme != nullptr) {
    QUANTD_RETURN_IF_ERROR(CheckFolderFlags(flags, *type.scheme));
    return type;
  }
  const auto mix = FormatMix::Find(flags.type);
  if (!mix.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        mix.status().message(), "; as folders of Hugging Face: ", FolderSchemeNames()));
  }
  if (flags.folder != FolderSettings()) {
    return absl::InvalidArgumentError(
        absl::StrCat("bits, group-size, act-order, zero-points: ", mix->name(),
                     " has no choice of them; ", FolderSchemeNames(), " may"));
  }
  type.mix = *mix;
  return type;
}

absl::StatusOr<std::vector<QuantizedTensor>> Write(const QuantizeFlags& flags,
                                                   const OutputType& type,
                                                   const RuntimeContext& runtime,
                                                   std::vector<std::string>* notes) {
  if (type.scheme != nullptr) return WriteFolder(flags, *type.scheme, runtime, notes);
  return WriteOutput(flags, flags.pure ? *type.mix : type.mix->WithFineOutput(), runtime, notes);
}

int Quantize(const QuantizeFlags& flags) {
  InterruptScope interrupts;
  const auto type = FindType(flags);
  if (!type.ok()) return Fail(kCommand, type.status());
  const absl::Status output = CheckOutput(flags);
  if (!output.ok()) return Fail(kCommand, output);
  const auto runtime = OpenRuntime(flags.runtime);
  if (!runtime.ok()) return Fail(kCommand, runtime.status());

  const absl::Time start = absl::Now();
  QuantizeReport report;
  report.model = flags.model;
  report.output = flags.output;
  report.type = type->name();
  report.evaluation_text = flags.evaluation_text;
  auto tensors = Write(flags, *type, **runtime, &report.notes);
  if (!tensors.ok()) return Fail(kCommand, tensors.status());
  report.tensors = *std::move(tensors);
  report.elapsed = absl::Now() - start;
  auto evaluation = EvaluateOutput(flags, **runtime);
  if (!evaluation.ok()) return Fail(kCommand, evaluation.status());
  report.evaluation = *std::move(evaluation);
  if (flags.json) {
    PrintAsJson(report);
  } else {
    PrintForPeople(report);
  }
  return kExitOk;
}

void AddTextFlags(CLI::App* command, QuantizeFlags* flags) {
  command
      ->add_option("--imatrix-text", flags->calibration_text,
                   "A text to calibrate with: errors then count as much as the inputs that they\n"
                   "meet when the model reads it. GPTQ and AWQ need one")
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

void AddFolderFlags(CLI::App* command, QuantizeFlags* flags) {
  command
      ->add_option("--group-size", flags->folder.group,
                   "W4A16, GPTQ, AWQ: input features that share a scale; -1: a whole row")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--bits", flags->folder.bits, "GPTQ: 2, 3, 4 or 8")
      ->type_name("N")
      ->capture_default_str();
  command->add_flag(
      "--act-order", flags->folder.act_order,
      "GPTQ: features of large inputs first (desc_act); often more exact, and slower\n"
      "in some engines");
  command->add_flag("--zero-points", flags->folder.zero_points,
                    "GPTQ: groups with zero points instead of symmetric ones");
  command
      ->add_option("--calibration-memory", flags->calibration_memory,
                   "GPTQ, AWQ: what statistics of inputs may take. The text is read again for as\n"
                   "many layers as fit; a layer takes 4 bytes per pair of features of each of its\n"
                   "4 inputs, one of 4096 and 11008 features 690 MB")
      ->type_name("BYTES")
      ->check(CheckByteSize)
      ->capture_default_str();
  command
      ->add_option("--shard-size", flags->shard_size,
                   "Of folders: bytes of tensors beyond which there are several files")
      ->type_name("BYTES")
      ->check(CheckByteSize)
      ->capture_default_str();
}

/// "NF4 (bitsandbytes, 4 bits), ...".
std::string FolderTypes() {
  return absl::StrJoin(FolderSchemes(), "; ", [](std::string* out, const FolderScheme& scheme) {
    absl::StrAppend(out, scheme.name, " (", scheme.library, ")");
  });
}

}  // namespace

void AddQuantize(CLI::App& app, CommandFn* run) {
  auto flags = std::make_shared<QuantizeFlags>();
  CLI::App* command =
      app.add_subcommand("quantize", "Write a model of full precision in a smaller format");
  command
      ->add_option("model", flags->model,
                   "A .gguf file, or the folder of a Hugging Face model, in F32, F16 or BF16")
      ->required()
      ->type_name("MODEL");
  command->add_option("-o,--output", flags->output, "The .gguf file, or the folder, to write")
      ->required()
      ->type_name("PATH");
  command
      ->add_option("--type", flags->type,
                   "Of a .gguf file, type of the matrices or a mix of types: " +
                       FormatMix::Names() + ".\nOf a folder: " + FolderTypes())
      ->required()
      ->type_name("TYPE");
  command->add_flag("--pure", flags->pure,
                    "The output in TYPE too; else it is Q6_K where TYPE has fewer bits");
  command->add_flag("--requantize", flags->requantize,
                    "Also from weights that are quantized already, with the errors of both; a\n"
                    "folder is written from such a .gguf file only");
  AddTextFlags(command, flags.get());
  AddFolderFlags(command, flags.get());
  command->add_flag("--overwrite", flags->overwrite, "Replace the output if it exists");
  command->add_flag("--json", flags->json,
                    "One JSON object {output, type, bits_per_weight, tensors: [...], ...}");
  AddThreadFlag(command, &flags->runtime);
  AddKernelFlags(command, &flags->runtime);
  AddQuietFlag(command, &flags->runtime);
  command->footer(
      "Scales are searched for with the least squared error. ERROR is the root mean square of the\n"
      "error relative to that of the weights, LARGEST the largest error of one weight.\n"
      "A .gguf file of a folder gets its hyper-parameters, tokenizer and chat templates too, as "
      "other\n"
      "programs read them, and so does a folder of a .gguf file.\n"
      "\n"
      "Examples:\n"
      "  quantd quantize model-f16.gguf -o model-Q4_K_M.gguf --type Q4_K_M\n"
      "  quantd quantize model-f16.gguf -o model-Q4_K_M.gguf --type Q4_K_M \\\n"
      "      --imatrix-text calibration.txt --eval-text heldout.txt\n"
      "  quantd quantize FOLDER -o model-Q4_K_M.gguf --type Q4_K_M\n"
      "  quantd quantize FOLDER -o model-bf16.gguf --type BF16\n"
      "  quantd quantize FOLDER -o FOLDER-NF4 --type NF4\n"
      "  quantd quantize model-f16.gguf -o FOLDER-NF4 --type NF4\n"
      "  quantd quantize FOLDER -o FOLDER-GPTQ --type GPTQ --group-size 128 --act-order \\\n"
      "      --imatrix-text calibration.txt --eval-text heldout.txt");
  command->callback([=] { *run = [flags] { return Quantize(*flags); }; });
}

}  // namespace quantd
