#ifndef QUANTD_KERNELS_BASE_CPU_TOPOLOGY_H_
#define QUANTD_KERNELS_BASE_CPU_TOPOLOGY_H_

#include <cstdint>
#include <string>
#include <vector>

namespace quantd {

/// The allowed CPUs of a core, and its NUMA node.
struct CpuCore {
  std::vector<int> cpus;
  int node = 0;
};

/// Cores and caches of the machine as sysfs shows them; zeros where it does not.
struct CpuTopology {
  int physical_cores = 0;              ///< of the machine, SMT siblings counted once
  std::vector<CpuCore> allowed_cores;  ///< those with an allowed CPU, by their lowest
  int64_t l2_bytes = 0;                ///< of the first CPU
  int64_t l3_bytes = 0;
};

/// Reads <root>/sys/devices/system/cpu and node. `allowed` lists the CPU numbers of the affinity
/// mask.
CpuTopology ReadCpuTopology(const std::string& root, const std::vector<int>& allowed);

/// CPUs of this process's affinity mask, ascending; empty when the system does not tell.
std::vector<int> AllowedCpus();

/// How many threads the cores of an affinity mask of `allowed_cpus` CPUs can keep busy, and
/// `cgroup_cpus` (0 = unlimited) lets run: one more, and the whole process would be throttled. At
/// least 1.
int UsableThreads(const CpuTopology& topology, int allowed_cpus, double cgroup_cpus);

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_CPU_TOPOLOGY_H_
