#ifndef QUANTD_KERNELS_BASE_CPU_PLACEMENT_H_
#define QUANTD_KERNELS_BASE_CPU_PLACEMENT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/base/aligned_buffer.h"
#include "kernels/base/cpu_topology.h"

namespace quantd {

/// Where users want threads and memory to be.
struct PlacementOptions {
  bool pin_threads = false;         ///< keep every thread of a pool but its caller on a CPU
  std::string numa = "none";        ///< one that CheckNuma takes
  std::string huge_pages = "auto";  ///< one of HugePageModes()
};

/// What `numa` may be: "none" leaves placement to the system, "interleave" spreads memory over the
/// nodes of the CPUs that may be used, a number keeps threads and memory on that node. Errors:
/// INVALID_ARGUMENT.
absl::Status CheckNuma(absl::string_view text);
/// "auto" asks for huge pages where the system gives them on request, "on" insists, "off" asks for
/// none.
const std::vector<std::string>& HugePageModes();

/// What follows from the options on a machine.
struct Placement {
  int threads = 1;            ///< of the pool
  std::vector<int> pinned;    ///< CPU of each of them; empty: not pinned
  std::vector<int> confined;  ///< CPUs that all threads are confined to; empty: as they are
  MemoryPolicy memory;
};

/// What placement depends on. A plain value, so that tests can inject any machine.
struct PlacementMachine {
  CpuTopology topology;
  int allowed_cpus = 1;
  double cgroup_cpus = 0;       ///< 0 = unlimited
  std::string huge_page_modes;  ///< as in /sys/kernel/mm/transparent_hugepage/enabled
};

/// This machine, as this thread may use it now.
PlacementMachine ProbePlacementMachine();

/// `threads` 0 = UsableThreads of the CPUs that may be used. Errors: INVALID_ARGUMENT for values
/// that no machine knows; FAILED_PRECONDITION, naming the option, for what this one cannot do.
absl::StatusOr<Placement> PlanPlacement(const PlacementOptions& options, int threads,
                                        const PlacementMachine& machine);

/// Confines the calling thread, and the threads that it creates from now on, to some CPUs. Errors:
/// as the system refuses.
absl::Status ConfineThread(const std::vector<int>& cpus);

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_CPU_PLACEMENT_H_
