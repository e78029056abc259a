#ifndef QUANTD_TESTS_BENCH_BENCH_MAIN_H_
#define QUANTD_TESTS_BENCH_BENCH_MAIN_H_

#include "kernels/base/hardware.h"
#include "kernels/base/thread_pool.h"
#include "kernels/measure/machine_limits.h"

namespace quantd {

/// Takes --threads=N out of the arguments; 0 when it is not there. Ends the program with code 2
/// when N is no number from 1 on.
int ThreadsArgument(int* argc, char** argv);

/// Puts machine, threads and limits at the head of the report.
void AddContext(const Hardware& hardware, const ThreadPool& pool, const MachineLimits& limits);

}  // namespace quantd

#endif  // QUANTD_TESTS_BENCH_BENCH_MAIN_H_
