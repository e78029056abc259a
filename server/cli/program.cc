#include "server/cli/program.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/cli/output.h"

namespace quantd {
namespace {

/// "quantd run": the program and the subcommand that the arguments had reached.
std::string CommandName(const CLI::App& app) {
  std::string name = app.get_name();
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    absl::StrAppend(&name, " ", at->get_name());
  }
  return name;
}

/// A full disk or a closed pipe shows at the latest when the last bytes leave.
int CheckStdout(const CLI::App& app, int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  absl::FPrintF(stderr, "%s: standard output: %s\n", CommandName(app), std::strerror(errno));
  return code == kExitOk ? kExitFailure : code;
}

/// CLI11 tells that a command is missing before it tells that there is a word that names none.
std::string UsageMessage(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> unknown = app.remaining();
  if (app.get_subcommands().empty() && !unknown.empty()) {
    return absl::StrCat("unknown command or option \"", EscapeText(unknown.front()), "\"");
  }
  return EscapeText(error.what());
}

/// CLI11's help without the names of validators and the lists of excluded options: limits stand in
/// the descriptions, in words.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string type = option->get_type_name();
    std::string text = type.empty() ? "" : " " + type.substr(0, type.find(':'));
    if (!option->get_default_str().empty()) {
      absl::StrAppend(&text, " (default ", option->get_default_str(), ")");
    }
    if (option->get_required()) text += " (required)";
    return text;
  }
};

}  // namespace

void SetUpHelp(CLI::App& app) {
  auto formatter = std::make_shared<HelpFormatter>();
  formatter->column_width(38);
  app.formatter(std::move(formatter));
}

int RunProgram(CLI::App& app, CommandFn* run, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // --help and --version arrive here as well; CLI11 prints those.
    if (error.get_exit_code() == 0) return CheckStdout(app, app.exit(error));
    const std::string name = CommandName(app);
    absl::FPrintF(stderr, "%s: %s; see '%s --help'\n", name, UsageMessage(app, error), name);
    return kExitUsage;
  }
  try {
    return CheckStdout(app, (*run)());
  } catch (const std::bad_alloc&) {
    absl::FPrintF(stderr, "%s: out of memory\n", CommandName(app));
    return kExitFailure;
  }
}

}  // namespace quantd
