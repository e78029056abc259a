#include "kernels/base/cgroup.h"

#include <algorithm>
#include <fstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "kernels/base/text_file.h"

namespace quantd {
namespace {

// Limits at or above this are how cgroup v1 spells "none" (the largest page-aligned int64).
constexpr int64_t kNoLimit = int64_t{1} << 60;

// A whole number, or -1 for "max", an absent file or anything else.
int64_t ReadNumber(const std::string& path) {
  int64_t value = 0;
  return absl::SimpleAtoi(FirstLineOf(path), &value) ? value : -1;
}

// Sum of the named counters of a "name value" file.
int64_t SumOfCounters(const std::string& path, const std::vector<std::string>& names) {
  std::ifstream file(path);
  std::string name;
  int64_t value = 0, sum = 0;
  while (file >> name >> value) {
    if (std::find(names.begin(), names.end(), name) != names.end()) sum += value;
  }
  return sum;
}

// The group's folder below `mount`, then each of its parents up to the mount itself. Inside a
// container the mount may already be the group, so folders that do not exist are harmless.
std::vector<std::string> GroupAndParents(const std::string& mount, std::string group) {
  std::vector<std::string> folders;
  while (group.size() > 1) {
    folders.push_back(mount + group);
    const size_t slash = group.rfind('/');
    group.resize(slash == std::string::npos ? 0 : slash);
  }
  folders.push_back(mount);
  return folders;
}

void LimitCpus(double quota, double period, CgroupLimits* limits) {
  if (quota <= 0 || period <= 0) return;
  const double cpus = quota / period;
  limits->cpus = limits->cpus == 0 ? cpus : std::min(limits->cpus, cpus);
}

void LimitMemory(int64_t limit, int64_t used, int64_t cache, CgroupLimits* limits) {
  if (limit <= 0 || limit >= kNoLimit) return;
  const int64_t headroom = std::max<int64_t>(0, limit - std::max<int64_t>(0, used - cache));
  if (limits->memory_bytes == 0 || limit < limits->memory_bytes) limits->memory_bytes = limit;
  if (limits->memory_headroom < 0 || headroom < limits->memory_headroom) {
    limits->memory_headroom = headroom;
  }
}

void ReadV2(const std::string& mount, const std::string& group, CgroupLimits* limits) {
  for (const std::string& folder : GroupAndParents(mount, group)) {
    const std::vector<std::string> cpu = absl::StrSplit(FirstLineOf(folder + "/cpu.max"), ' ');
    double quota = 0, period = 0;
    if (cpu.size() == 2 && absl::SimpleAtod(cpu[0], &quota) && absl::SimpleAtod(cpu[1], &period)) {
      LimitCpus(quota, period, limits);
    }
    LimitMemory(ReadNumber(folder + "/memory.max"), ReadNumber(folder + "/memory.current"),
                SumOfCounters(folder + "/memory.stat", {"inactive_file", "active_file"}), limits);
  }
}

void ReadV1Cpu(const std::string& mount, const std::string& group, CgroupLimits* limits) {
  for (const std::string& folder : GroupAndParents(mount, group)) {
    LimitCpus(static_cast<double>(ReadNumber(folder + "/cpu.cfs_quota_us")),
              static_cast<double>(ReadNumber(folder + "/cpu.cfs_period_us")), limits);
  }
}

void ReadV1Memory(const std::string& mount, const std::string& group, CgroupLimits* limits) {
  for (const std::string& folder : GroupAndParents(mount, group)) {
    LimitMemory(
        ReadNumber(folder + "/memory.limit_in_bytes"),
        ReadNumber(folder + "/memory.usage_in_bytes"),
        SumOfCounters(folder + "/memory.stat", {"total_inactive_file", "total_active_file"}),
        limits);
  }
}

}  // namespace

CgroupLimits ReadCgroupLimits(const std::string& root) {
  const std::string mount = root + "/sys/fs/cgroup";
  CgroupLimits limits;
  std::ifstream file(root + "/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {  // hierarchy-id ":" controllers ":" path
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    if (fields[1].empty()) {
      ReadV2(mount, fields[2], &limits);
      ReadV2(mount + "/unified", fields[2], &limits);
    }
    for (absl::string_view controller : absl::StrSplit(fields[1], ',')) {
      if (controller == "cpu") ReadV1Cpu(mount + "/cpu", fields[2], &limits);
      if (controller == "memory") ReadV1Memory(mount + "/memory", fields[2], &limits);
    }
  }
  return limits;
}

}  // namespace quantd
