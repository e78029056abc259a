#ifndef QUANTD_SERVER_CLI_QUANTCTL_H_
#define QUANTD_SERVER_CLI_QUANTCTL_H_

#include "server/cli/commands.h"

namespace quantd {

/// The whole of the program quantctl, the remote client; `version` is what --version says. Returns
/// its exit code: that of commands.h.
int QuantctlMain(int argc, const char* const* argv, const char* version);

/// Its subcommands, as in commands.h.
void AddRemoteGenerate(CLI::App& app, CommandFn* run);  ///< generate and stream
void AddRemoteChat(CLI::App& app, CommandFn* run);      ///< chat
void AddRemoteText(CLI::App& app, CommandFn* run);      ///< abort, tokenize, detokenize
void AddRemoteModels(CLI::App& app, CommandFn* run);    ///< models, load, unload, health
void AddRemoteHardware(CLI::App& app, CommandFn* run);  ///< hardware, kernels, explain

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_QUANTCTL_H_
