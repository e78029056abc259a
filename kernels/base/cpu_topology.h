#ifndef QUANTD_KERNELS_BASE_CPU_TOPOLOGY_H_
#define QUANTD_KERNELS_BASE_CPU_TOPOLOGY_H_

#include <cstdint>
#include <string>
#include <vector>

namespace quantd {

/// Cores and caches of the machine as sysfs shows them; zeros where it does not.
struct CpuTopology {
  int physical_cores = 0;  ///< of the machine, SMT siblings counted once
  int allowed_cores = 0;   ///< of those, the ones with an allowed CPU
  int64_t l2_bytes = 0;    ///< of the first CPU
  int64_t l3_bytes = 0;
};

/// Reads <root>/sys/devices/system/cpu. `allowed` lists the CPU numbers of the affinity mask.
CpuTopology ReadCpuTopology(const std::string& root, const std::vector<int>& allowed);

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_CPU_TOPOLOGY_H_
