#ifndef QUANTD_KERNELS_BASE_CGROUP_H_
#define QUANTD_KERNELS_BASE_CGROUP_H_

#include <cstdint>
#include <string>

namespace quantd {

/// What the control groups of this process allow it (cgroup v1 or v2, whichever is mounted).
struct CgroupLimits {
  double cpus = 0;           ///< CPU quota / period; 0 = unlimited
  int64_t memory_bytes = 0;  ///< memory limit; 0 = unlimited
  int64_t memory_headroom =
      -1;  ///< what the limit leaves, reclaimable cache included; -1 = unlimited
};

/// Reads the limits of this process and of every group above it; the tightest counts. `root` is
/// put before every path read ("" for the system; a directory in tests). Unreadable files are
/// taken as "no limit".
CgroupLimits ReadCgroupLimits(const std::string& root);

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_CGROUP_H_
