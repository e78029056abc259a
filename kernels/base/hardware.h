#ifndef QUANTD_KERNELS_BASE_HARDWARE_H_
#define QUANTD_KERNELS_BASE_HARDWARE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/base/isa.h"

namespace quantd {

/// What the start-up probe found. A plain value, so that selection is a pure function of it and
/// tests can inject any machine.
struct Hardware {
  std::string cpu_name;               ///< brand string
  std::vector<std::string> features;  ///< CPU features that matter here and that the OS enables
  uint32_t isas = IsaBit(Isa::kReference);  ///< mask of IsaBit() that can run
  int physical_cores = 1;                   ///< cores of the machine, without SMT siblings
  int logical_cpus = 1;                     ///< CPUs this process may run on (affinity mask)
  int usable_threads = 1;    ///< default thread count: min(physical, affinity, cgroup quota)
  int64_t l2_bytes = 0;      ///< per core; 0 = unknown
  int64_t l3_bytes = 0;      ///< 0 = unknown
  int64_t memory_bytes = 0;  ///< physical memory, or the cgroup limit if lower
  /// How far ahead, in bytes, software does best to fetch a stream that it reads once. 0: just what
  /// it reads, which shows the stream to the processor's prefetcher (kernels/README.md).
  int64_t fetch_ahead = 0;
  bool cuda_built = false;  ///< this build contains the CUDA backend
  std::string cuda_status;  ///< why there is or is no GPU, for people

  bool Supports(Isa isa) const { return (isas & IsaBit(isa)) != 0; }
};

/// Probes once per process: CPUID and XCR0 (a feature counts only if the operating system saves
/// its registers), sysfs topology, affinity mask, cgroup v1/v2 limits. Thread-safe.
const Hardware& ProbeHardware();

/// Memory the system could give a new allocation now, in bytes (MemAvailable, cgroup headroom).
int64_t AvailableMemoryBytes();

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_HARDWARE_H_
