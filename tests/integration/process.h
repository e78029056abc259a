#ifndef QUANTD_TESTS_INTEGRATION_PROCESS_H_
#define QUANTD_TESTS_INTEGRATION_PROCESS_H_

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/server_fixture.h"

namespace quantd {

/// A program of the build, where it lies beside this test, quantd also where $QUANTD_BINARY says;
/// "" if it is not there.
inline std::string Program(const std::string& name) {
  const char* given = std::getenv("QUANTD_BINARY");
  if (given != nullptr && name == "quantd") return given;
  const auto self = std::filesystem::read_symlink("/proc/self/exe");
  const auto program = self.parent_path().parent_path() / "bin" / name;
  return std::filesystem::exists(program) ? program.string() : "";
}

/// A running program; what it writes goes to a file. Killed, if need be, at the end.
class Process {
 public:
  Process(const std::string& program, std::vector<std::string> arguments) {
    log_path_ = ::testing::TempDir() + "quantd-" + std::to_string(getpid()) + "-" +
                std::to_string(++count_) + ".log";
    arguments.insert(arguments.begin(), Program(program));
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    const int log = open(log_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  ~Process() {
    if (!waited_) {
      kill(pid_, SIGKILL);
      Wait();
    }
    unlink(log_path_.c_str());
  }

  std::string ReadLog() const {
    std::ifstream in(log_path_);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  bool AwaitLog(const std::string& text) const {
    return Eventually([&] { return ReadLog().find(text) != std::string::npos; });
  }
  void Signal(int signal) const { kill(pid_, signal); }
  pid_t pid() const { return pid_; }
  /// The exit code; 128 + signal if it was killed.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    waited_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  static inline int count_ = 0;
  std::string log_path_;
  pid_t pid_ = -1;
  bool waited_ = false;
};

/// A `quantd serve` with arguments.
class ServerProcess : public Process {
 public:
  explicit ServerProcess(std::vector<std::string> arguments)
      : Process("quantd", WithServe(std::move(arguments))) {}

  /// Of gRPC, from the log.
  std::string Address() const {
    std::smatch match;
    const std::string log = ReadLog();
    return std::regex_search(log, match, std::regex("listening grpc=(\\S+)")) ? match[1].str() : "";
  }

 private:
  static std::vector<std::string> WithServe(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "serve");
    return arguments;
  }
};

}  // namespace quantd

#endif  // QUANTD_TESTS_INTEGRATION_PROCESS_H_
