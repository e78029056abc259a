#ifndef QUANTD_SERVER_CLI_BENCH_FORMATS_H_
#define QUANTD_SERVER_CLI_BENCH_FORMATS_H_

#include <string>
#include <vector>

#include "server/cli/local_runtime.h"

namespace quantd {

/// What `quantd bench --formats` is asked for.
struct FormatBenchOptions {
  std::string shape = "1.1b";
  std::vector<std::string> only;  ///< formats; empty = all
  int32_t layers = 0;
  int32_t reps = 3;
  bool json = false;      ///< to stdout, in place of the table
  std::string json_path;  ///< "" = none
  std::string svg_path;   ///< "" = none
  RuntimeFlags runtime;
};

/// Runs it and returns the exit code.
int BenchFormats(const FormatBenchOptions& options);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_BENCH_FORMATS_H_
