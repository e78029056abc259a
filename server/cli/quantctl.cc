#include "server/cli/quantctl.h"

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "server/cli/program.h"

namespace quantd {

int QuantctlMain(int argc, const char* const* argv, const char* version) {
  CLI::App app("Talks to a quantd server: generates text, manages models, explains kernels.",
               "quantctl");
  app.set_version_flag("--version", absl::StrCat("quantctl ", version));
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  app.footer(
      "Exit codes: 0 done, 1 the server answered with an error, 2 wrong command line,\n"
      "            3 server unreachable or not ready, 4 interrupted.\n"
      "Environment: QUANTD_SERVER=HOST:PORT (default 127.0.0.1:8433), QUANTD_TOKEN=TOKEN.\n"
      "Start here:  quantctl models\n"
      "             quantctl stream --prompt \"Once upon a time\" --max-tokens 100\n"
      "             quantctl chat\n"
      "             quantctl generate --help");
  CommandFn run;
  AddRemoteGenerate(app, &run);
  AddRemoteChat(app, &run);
  AddRemoteText(app, &run);
  AddRemoteModels(app, &run);
  AddRemoteHardware(app, &run);
  return RunProgram(app, &run, argc, argv);
}

}  // namespace quantd
