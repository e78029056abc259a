#ifndef QUANTD_SERVER_CLI_QUANTD_MAIN_H_
#define QUANTD_SERVER_CLI_QUANTD_MAIN_H_

namespace quantd {

/// The whole of the program quantd; `version` is what --version says. Returns its exit code
/// (commands.h). Apart from program.h so that quantctl need not link quantd's subcommands.
int QuantdMain(int argc, const char* const* argv, const char* version);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_QUANTD_MAIN_H_
