#ifndef QUANTD_SERVER_CLI_PROGRAM_H_
#define QUANTD_SERVER_CLI_PROGRAM_H_

#include "server/cli/commands.h"

namespace quantd {

/// Gives `app` the help style of both programs: type and default of each option, and room for
/// names. Call before adding subcommands, which take it over.
void SetUpHelp(CLI::App& app);

/// Parses the command line with `app`, runs what it chose and returns the program's exit code:
/// the command's own, kExitUsage for a wrong command line (told on stderr with the command's name
/// and a pointer to --help), kExitFailure when standard output could not be written.
int RunProgram(CLI::App& app, CommandFn* run, int argc, const char* const* argv);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_PROGRAM_H_
