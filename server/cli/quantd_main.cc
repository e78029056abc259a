#include "server/cli/quantd_main.h"

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "kernels/base/heap.h"
#include "server/cli/program.h"

namespace quantd {

int QuantdMain(int argc, const char* const* argv, const char* version) {
  KeepHeapSmall();
  CLI::App app(
      "Serves quantized language models on this machine, and runs, measures and explains "
      "them on the command line.",
      "quantd");
  app.set_version_flag("--version", absl::StrCat("quantd ", version));
  app.require_subcommand(1);
  SetUpHelp(app);
  app.footer(
      "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 server or port unreachable,\n"
      "            4 interrupted.\n"
      "Environment: QUANTD_FORCE_ISA=reference|avx2|avxvnni|avx512vnni picks the instruction set,\n"
      "             QUANTD_FORCE_KERNEL=NAME one kernel of 'quantd kernels'.\n"
      "Start here:  quantd inspect model.gguf\n"
      "             quantd run model.gguf --prompt \"Once upon a time\"\n"
      "             quantd serve --help");
  CommandFn run;
  AddServe(app, &run);
  AddRun(app, &run);
  AddTokenize(app, &run);
  AddKernels(app, &run);
  AddInspect(app, &run);
  AddBench(app, &run);
  AddAdvise(app, &run);
  AddSynth(app, &run);
  AddEval(app, &run);
  AddQuantize(app, &run);
  return RunProgram(app, &run, argc, argv);
}

}  // namespace quantd
