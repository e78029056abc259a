#include "tests/bench/bench_main.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace quantd {

int ThreadsArgument(int* argc, char** argv) {
  int threads = 0;
  for (int i = 1; i < *argc; ++i) {
    absl::string_view value = argv[i];
    if (!absl::ConsumePrefix(&value, "--threads=")) continue;
    if (!absl::SimpleAtoi(value, &threads) || threads < 1) {
      std::fprintf(stderr, "--threads needs a number from 1 on, not \"%s\"\n", argv[i] + 10);
      std::exit(2);
    }
    std::copy(argv + i + 1, argv + *argc, argv + i);
    --*argc;
    break;
  }
  return threads;
}

void AddContext(const Hardware& hardware, const ThreadPool& pool, const MachineLimits& limits) {
  benchmark::AddCustomContext("cpu", hardware.cpu_name);
  benchmark::AddCustomContext("threads", absl::StrCat(pool.size()));
  benchmark::AddCustomContext("read_GB/s", absl::StrCat(limits.read_bytes_per_s * 1e-9));
  benchmark::AddCustomContext("int8_GOP/s", absl::StrCat(limits.int8_ops_per_s * 1e-9));
  benchmark::AddCustomContext("bf16_GOP/s", absl::StrCat(limits.bf16_ops_per_s * 1e-9));
  benchmark::AddCustomContext("float_GOP/s", absl::StrCat(limits.float_ops_per_s * 1e-9));
}

int RunGemmBenchmarks(int argc, char** argv, absl::FunctionRef<void(const GemmSetup&)> add_all) {
  ThreadPool pool(ThreadsArgument(&argc, argv));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const Hardware& hardware = ProbeHardware();
  const auto kernels = KernelSet::Create(hardware, KernelOverride::FromEnvironment());
  if (!kernels.ok()) {
    std::fprintf(stderr, "%s\n", std::string(kernels.status().message()).c_str());
    return 2;
  }
  const GemmSetup setup{**kernels, pool, MeasureMachineLimits(hardware, (*kernels)->isas(), pool)};
  AddContext(hardware, pool, setup.limits);
  add_all(setup);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace quantd
