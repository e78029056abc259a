#ifndef QUANTD_TESTS_BENCH_MACHINE_LIMITS_H_
#define QUANTD_TESTS_BENCH_MACHINE_LIMITS_H_

#include "kernels/base/hardware.h"
#include "kernels/base/thread_pool.h"

namespace quantd {

/// What the machine gives at best, measured with all threads of a pool: the yardstick of a
/// benchmark in the same process, because it drifts from hour to hour and host to host.
struct MachineLimits {
  double read_bytes_per_s = 0;  ///< streaming reads from memory
  double int8_ops_per_s = 0;    ///< multiply and add count as two; 0 = not measured here
  double float_ops_per_s = 0;   ///< fma on F32; 0 = not measured here
};

MachineLimits MeasureMachineLimits(const Hardware& hardware, ThreadPool& pool);

}  // namespace quantd

#endif  // QUANTD_TESTS_BENCH_MACHINE_LIMITS_H_
