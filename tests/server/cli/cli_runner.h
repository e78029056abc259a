#ifndef QUANTD_TESTS_SERVER_CLI_CLI_RUNNER_H_
#define QUANTD_TESTS_SERVER_CLI_CLI_RUNNER_H_

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/cli/quantd_main.h"
#include "tests/support/test_data.h"

namespace quantd {

/// A command line with what surrounds it.
struct CliCall {
  std::vector<std::string> args;
  std::string input = {};                                             ///< standard input
  std::vector<std::pair<std::string, std::string>> environment = {};  ///< added
  std::string out_path = {};               ///< standard output goes here instead of CliResult::out
  std::function<void(pid_t)> during = {};  ///< called with the running process
};

struct CliResult {
  int code = -1;  ///< exit code; -1 when a signal killed the process
  std::string out, err;

  /// Standard output as JSON; null, and a failed test, when it is none.
  nlohmann::json Json() const {
    nlohmann::json value = nlohmann::json::parse(out, nullptr, /*allow_exceptions=*/false);
    EXPECT_FALSE(value.is_discarded()) << "no JSON: " << out.substr(0, 400) << "\nstderr: " << err;
    return value.is_discarded() ? nlohmann::json() : value;
  }
};

namespace cli_runner_internal {

inline int MemoryFile(const std::string& content) {
  const int fd = memfd_create("cli", 0);
  EXPECT_EQ(write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
  lseek(fd, 0, SEEK_SET);
  return fd;
}

inline std::string Content(int fd) {
  std::string text(static_cast<size_t>(lseek(fd, 0, SEEK_END)), '\0');
  EXPECT_EQ(pread(fd, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  return text;
}

}  // namespace cli_runner_internal

/// Runs quantd in a process of its own, as a shell would, and waits for it.
inline CliResult RunQuantd(const CliCall& call) {
  using cli_runner_internal::Content;
  using cli_runner_internal::MemoryFile;
  const int in = MemoryFile(call.input), out = MemoryFile(""), err = MemoryFile("");
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(in, 0);
    dup2(out, 1);
    dup2(err, 2);
    if (!call.out_path.empty() && std::freopen(call.out_path.c_str(), "w", stdout) == nullptr) {
      _exit(99);
    }
    for (const auto& [name, value] : call.environment) setenv(name.c_str(), value.c_str(), 1);
    std::vector<const char*> argv = {"quantd"};
    for (const std::string& arg : call.args) argv.push_back(arg.c_str());
    const int code = QuantdMain(static_cast<int>(argv.size()), argv.data(), "1.2.3");
    std::fflush(nullptr);
    _exit(code);
  }
  if (call.during) call.during(child);
  int status = 0;
  waitpid(child, &status, 0);
  CliResult result{WIFEXITED(status) ? WEXITSTATUS(status) : -1, Content(out), Content(err)};
  for (const int fd : {in, out, err}) close(fd);
  return result;
}

inline CliResult RunQuantd(std::vector<std::string> args, std::string input = "") {
  return RunQuantd(CliCall{std::move(args), std::move(input)});
}

/// The bundled demo model: "f16", "Q8_0", "Q4_K_M" or "Q4_0".
inline std::string DemoModel(const std::string& format) {
  return SourcePath("config/models/shakespeare-6m-" + format + ".gguf");
}

/// A path for a file of this test.
inline std::string TempPath(const std::string& name) {
  return testing::TempDir() + "/" + std::to_string(getpid()) + "-" + name;
}

}  // namespace quantd

#endif  // QUANTD_TESTS_SERVER_CLI_CLI_RUNNER_H_
