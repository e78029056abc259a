// What `quantd serve` takes of memory for a model; tests/bench/memory_use.py measures large ones.

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "tests/integration/process.h"
#include "tests/support/sanitizers.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

/// Resident bytes of a process.
struct Memory {
  double own = 0;   ///< that no file backs (RssAnon and RssShmem): all but code and mapped files
  double peak = 0;  ///< of everything, since the process began (VmHWM)
};

Memory MemoryOf(pid_t pid) {
  Memory memory;
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    const size_t colon = line.find(':');
    if (colon == line.npos) continue;
    const std::string name = line.substr(0, colon);
    absl::string_view value = absl::StripAsciiWhitespace(absl::string_view(line).substr(colon + 1));
    double kib = 0;
    if (!absl::ConsumeSuffix(&value, " kB") || !absl::SimpleAtod(value, &kib)) continue;
    if (name == "RssAnon" || name == "RssShmem") memory.own += 1024 * kib;
    if (name == "VmHWM") memory.peak = 1024 * kib;
  }
  return memory;
}

class ServerMemoryTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "the memory of a sanitizer is more than the program's";
    if (Program("quantd").empty())
      GTEST_SKIP() << "needs the program quantd; build it, or set QUANTD_BINARY";
  }
  void TearDown() override { unlink(path_.c_str()); }

  /// Of a server that is ready, with one sequence of KV cache. No model: what every server takes.
  static Memory WhenReady(const std::vector<std::string>& model) {
    std::vector<std::string> arguments = {
        "--grpc-address",    "127.0.0.1:0", "--http-address",         "",
        "--runtime-threads", "1",           "--engine-max-sequences", "1"};
    arguments.insert(arguments.end(), model.begin(), model.end());
    const ServerProcess server(arguments);
    EXPECT_TRUE(server.AwaitLog("info  ready")) << server.ReadLog();
    return MemoryOf(server.pid());
  }

  const std::string path_ =
      testing::TempDir() + "memory-" + std::to_string(getpid()) + "-" + GetParam() + ".gguf";
};

TEST_P(ServerMemoryTest, IsTheFilesAndLittleMore) {
  Process synth("quantd", {"synth", "--shape", "125m", "--format", GetParam(), "--vocab",
                           SourcePath(kDemoModel), "-o", path_, "--quiet"});
  ASSERT_EQ(synth.Wait(), 0) << synth.ReadLog();
  const auto file = static_cast<double>(std::filesystem::file_size(path_));
  ASSERT_GT(file, 5e7) << "large enough that shares of it say something";

  const Memory empty = WhenReady({});
  const Memory serving = WhenReady({"--model", "m=" + path_});
  ASSERT_GT(empty.own, 0);
  // The KV cache is resident only where it was used: not at all.
  EXPECT_LE(serving.own - empty.own, 1.05 * file);
  EXPECT_LE(serving.peak - empty.peak, 1.3 * file);
  EXPECT_GE(serving.own - empty.own, 0.9 * file) << "the weights are packed, not mapped";
}

INSTANTIATE_TEST_SUITE_P(Formats, ServerMemoryTest, testing::Values("Q4_0", "Q8_0"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace quantd
