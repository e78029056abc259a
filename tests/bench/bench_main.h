#ifndef QUANTD_TESTS_BENCH_BENCH_MAIN_H_
#define QUANTD_TESTS_BENCH_BENCH_MAIN_H_

#include "absl/functional/function_ref.h"
#include "kernels/base/hardware.h"
#include "kernels/base/thread_pool.h"
#include "kernels/kernel_set.h"
#include "kernels/measure/machine_limits.h"

namespace quantd {

/// Takes --threads=N out of the arguments; 0 when it is not there. Ends the program with code 2
/// when N is no number from 1 on.
int ThreadsArgument(int* argc, char** argv);

/// Puts machine, threads and limits at the head of the report.
void AddContext(const Hardware& hardware, const ThreadPool& pool, const MachineLimits& limits);

/// What benchmarks of matrix products run with.
struct GemmSetup {
  KernelSet& kernels;
  ThreadPool& pool;
  MachineLimits limits;
};

/// The main function of such a program: reads the arguments, measures the limits, runs what
/// `add_all` registers. Returns the exit code.
int RunGemmBenchmarks(int argc, char** argv, absl::FunctionRef<void(const GemmSetup&)> add_all);

}  // namespace quantd

#endif  // QUANTD_TESTS_BENCH_BENCH_MAIN_H_
