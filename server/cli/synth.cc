#include "runtime/formats/synth.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "runtime/formats/format_mix.h"
#include "server/cli/commands.h"
#include "server/cli/local_runtime.h"
#include "server/cli/output.h"
#include "server/cli/progress.h"
#include "server/cli/table.h"

namespace quantd {
namespace {

constexpr char kCommand[] = "quantd synth";

struct SynthFlags {
  SynthOptions options;
  bool list_shapes = false;
  RuntimeFlags runtime;
};

void ListShapes() {
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"SHAPE"},
               {"WIDTH", kRight},
               {"LAYERS", kRight},
               {"HEADS", kRight},
               {"KV HEADS", kRight},
               {"FF", kRight},
               {"VOCAB", kRight},
               {"CONTEXT", kRight},
               {"OUTPUT"}});
  for (const SynthShape& shape : SynthShapes()) {
    table.AddRow({shape.name, absl::StrCat(shape.dim), absl::StrCat(shape.layers),
                  absl::StrCat(shape.heads), absl::StrCat(shape.kv_heads), absl::StrCat(shape.ff),
                  absl::StrCat(shape.vocab), absl::StrCat(shape.context),
                  shape.tied ? "tied" : "separate"});
  }
  Print(table.Render());
}

/// The options that only the writing of a file needs; --list-shapes does without.
absl::Status CheckGiven(const SynthOptions& options) {
  const std::pair<const char*, const std::string&> needed[] = {{"--shape", options.shape},
                                                               {"--format", options.format},
                                                               {"--vocab", options.vocab_path},
                                                               {"--output", options.output_path}};
  for (const auto& [flag, value] : needed) {
    if (value.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(flag, " is required; see '", kCommand, " --help'"));
    }
  }
  return absl::OkStatus();
}

int Synth(const SynthFlags& flags) {
  if (flags.list_shapes) {
    ListShapes();
    return kExitOk;
  }
  SynthOptions options = flags.options;
  const absl::Status given = CheckGiven(options);
  if (!given.ok()) return Fail(kCommand, given);

  Progress bar(absl::StrCat("writing ", BaseName(options.output_path)), flags.runtime.quiet);
  uint64_t bytes = 0;
  options.progress = [&](uint64_t done, uint64_t total) {
    bytes = total;
    bar.Update(static_cast<double>(done) / static_cast<double>(std::max<uint64_t>(total, 1)),
               absl::StrCat(FormatBytes(done), " of ", FormatBytes(total)));
  };
  const absl::Time start = absl::Now();
  const absl::Status written = WriteSyntheticModel(options);
  if (!written.ok()) return Fail(kCommand, written);
  if (!flags.runtime.quiet) {
    bar.Clear();
    absl::FPrintF(stderr, "%s: %s: %s of %s weights in %s\n", kCommand,
                  EscapeText(options.output_path), FormatBytes(bytes), options.format,
                  FormatSeconds(absl::Now() - start));
  }
  return kExitOk;
}

}  // namespace

void AddSynth(CLI::App& app, CommandFn* run) {
  auto flags = std::make_shared<SynthFlags>();
  SynthOptions& options = flags->options;
  CLI::App* command = app.add_subcommand(
      "synth", "Write a model of random weights in a real shape, for measurements");
  command->add_option("--shape", options.shape, "Name of a shape; --list-shapes shows them")
      ->type_name("NAME");
  command->add_option("--format", options.format, "Weight format: " + FormatMix::Names())
      ->type_name("FORMAT");
  command
      ->add_option("--vocab", options.vocab_path,
                   "A .gguf file whose tokenizer is copied; padded to the shape's vocabulary")
      ->type_name("FILE");
  command
      ->add_option("-o,--output", options.output_path,
                   "The .gguf file to write; replaced if it exists")
      ->type_name("FILE");
  command->add_option("--seed", options.seed, "The same seed gives the same file")
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--list-shapes", flags->list_shapes, "List the known shapes and do nothing");
  AddQuietFlag(command, &flags->runtime);
  command->footer(
      "Speed depends on shapes and formats, not on what the weights say: such a file measures "
      "like\n"
      "the real model and talks nonsense.\n"
      "\n"
      "Examples:\n"
      "  quantd synth --list-shapes\n"
      "  quantd synth --shape 125m --format Q4_0 --vocab model.gguf -o 125m-Q4_0.gguf\n"
      "  quantd bench 125m-Q4_0.gguf");
  command->callback([=] { *run = [flags] { return Synth(*flags); }; });
}

}  // namespace quantd
