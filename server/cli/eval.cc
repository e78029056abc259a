#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "runtime/model/perplexity.h"
#include "server/cli/commands.h"
#include "server/cli/interrupt.h"
#include "server/cli/json_output.h"
#include "server/cli/local_runtime.h"
#include "server/cli/output.h"
#include "server/cli/progress.h"

namespace quantd {
namespace {

constexpr char kCommand[] = "quantd eval";

struct EvalOptions {
  std::string model, text;
  int32_t chunk = 256;
  double limit = 0;  ///< 0 = none
  bool json = false;
  RuntimeFlags runtime;
};

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  // A directory opens but cannot be read; an empty file gives no characters, which is no error.
  if (in.good() && in.peek() != std::ifstream::traits_type::eof()) bytes << in.rdbuf();
  if (!in.is_open() || in.bad()) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read: ", std::strerror(errno)));
  }
  return bytes.str();
}

absl::StatusOr<PerplexityResult> Evaluate(const EvalOptions& options, ServedModel& served,
                                          absl::string_view text) {
  const Tokenizer& tokenizer = served.tokenizer();
  PerplexityOptions perplexity;
  perplexity.chunk = options.chunk;
  perplexity.kv_type = served.kv_type();
  EncodeOptions encode;
  encode.add_bos = tokenizer.default_add_bos();
  if (encode.add_bos) perplexity.bos = tokenizer.bos();

  Progress bar(absl::StrCat("evaluating ", BaseName(options.text)), options.runtime.quiet);
  perplexity.progress = [&](int64_t done, int64_t total) {
    bar.Update(static_cast<double>(done) / static_cast<double>(total),
               absl::StrCat("chunk ", done, " of ", total));
    return !InterruptScope::Interrupted();
  };
  return ComputePerplexity(served.model(), tokenizer.Encode(text, encode), perplexity);
}

void PrintEvaluation(const EvalOptions& options, const ServedModel& served,
                     const PerplexityResult& result, absl::Duration elapsed) {
  if (options.json) {
    PrintJson({{"model", options.model},
               {"format", served.format()},
               {"text", options.text},
               {"perplexity", result.perplexity},
               {"standard_error", result.standard_error},
               {"chunk", options.chunk},
               {"chunks", result.chunks},
               {"tokens_scored", result.tokens_scored},
               {"kv_type", KvTypeName(served.kv_type())},
               {"seconds", JsonSeconds(elapsed)}});
    return;
  }
  Print(absl::StrFormat("perplexity %.4f +- %.4f (%d tokens scored in %d chunks of %d, %s)\n",
                        result.perplexity, result.standard_error, result.tokens_scored,
                        result.chunks, options.chunk, FormatSeconds(elapsed)));
}

int Eval(const EvalOptions& options) {
  InterruptScope interrupts;
  const auto text = ReadText(options.text);
  if (!text.ok()) return Fail(kCommand, text.status());
  const auto runtime = OpenRuntime(options.runtime);
  if (!runtime.ok()) return Fail(kCommand, runtime.status());
  const auto served = LoadForOneSequence(**runtime, options.model, options.runtime);
  if (!served.ok()) return Fail(kCommand, served.status());

  const absl::Time start = absl::Now();
  const auto result = Evaluate(options, **served, *text);
  if (!result.ok()) {
    return Fail(kCommand,
                absl::Status(result.status().code(),
                             absl::StrCat(options.text, ": ", result.status().message())));
  }
  PrintEvaluation(options, **served, *result, absl::Now() - start);
  if (options.limit > 0 && result->perplexity > options.limit) {
    return Fail(kCommand, absl::OutOfRangeError(
                              absl::StrFormat("%s: perplexity: %.4f is above --max-perplexity %g",
                                              options.model, result->perplexity, options.limit)));
  }
  return kExitOk;
}

}  // namespace

void AddEval(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command =
      app.add_subcommand("eval", "Perplexity of a model on a text: what quantization costs");
  command->add_option("model", options->model, "A .gguf file")->required()->type_name("MODEL");
  command->add_option("--text", options->text, "A text that the model was not trained on")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--chunk", options->chunk,
                   "Tokens read together, from 3 to the model's context; the second half of each\n"
                   "chunk is scored")
      ->type_name("N")
      ->check(CLI::Range(3, 1 << 24))
      ->capture_default_str();
  command
      ->add_option("--max-perplexity", options->limit,
                   "Fail (exit code 1) when the result is above this; 0 = never")
      ->type_name("X")
      ->check(CheckNotNegative)
      ->capture_default_str();
  command->add_flag("--json", options->json,
                    "One JSON object {model, perplexity, standard_error, tokens_scored, ...}");
  AddKvTypeFlag(command, &options->runtime.kv_type);
  AddThreadFlag(command, &options->runtime);
  AddKernelFlags(command, &options->runtime);
  AddQuietFlag(command, &options->runtime);
  command->footer(
      "Counted as llama.cpp's perplexity program does, so that figures can be compared. Lower is\n"
      "better; compare formats of one model on one text with one chunk size.\n"
      "\n"
      "Examples:\n"
      "  quantd eval model-Q4_0.gguf --text heldout.txt\n"
      "  quantd eval model-Q4_0.gguf --text heldout.txt --max-perplexity 37.7 --json");
  command->callback([=] { *run = [options] { return Eval(*options); }; });
}

}  // namespace quantd
