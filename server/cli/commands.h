#ifndef QUANTD_SERVER_CLI_COMMANDS_H_
#define QUANTD_SERVER_CLI_COMMANDS_H_

#include <functional>

namespace CLI {
class App;
}

namespace quantd {

/// Exit codes of both programs, documented in README.md.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,      ///< the work failed (bad model file, RPC error, perplexity out of reach)
  kExitUsage = 2,        ///< wrong command line or configuration
  kExitUnavailable = 3,  ///< the server or its port cannot be reached or opened
  kExitInterrupted = 4,  ///< a signal cut the work (of `serve`: a second one, the drain) short
};

/// Each adds one subcommand to `app` and sets *run to what executes it when it was chosen; run
/// returns the exit code.
using CommandFn = std::function<int()>;
void AddServe(CLI::App& app, CommandFn* run);
void AddRun(CLI::App& app, CommandFn* run);
void AddTokenize(CLI::App& app, CommandFn* run);
void AddKernels(CLI::App& app, CommandFn* run);
void AddInspect(CLI::App& app, CommandFn* run);
void AddBench(CLI::App& app, CommandFn* run);
void AddAdvise(CLI::App& app, CommandFn* run);
void AddSynth(CLI::App& app, CommandFn* run);
void AddEval(CLI::App& app, CommandFn* run);
void AddQuantize(CLI::App& app, CommandFn* run);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_COMMANDS_H_
