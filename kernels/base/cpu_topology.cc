#include "kernels/base/cpu_topology.h"

#include <sched.h>

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "kernels/base/text_file.h"

namespace quantd {
namespace {

// "0-3,8,10-11" -> 0 1 2 3 8 10 11; what does not parse is left out.
std::vector<int> ParseCpuList(const std::string& text) {
  std::vector<int> cpus;
  for (const std::string& range : std::vector<std::string>(absl::StrSplit(text, ','))) {
    const std::vector<std::string> ends = absl::StrSplit(range, '-');
    int first = 0, last = 0;
    if (!absl::SimpleAtoi(ends.front(), &first) || !absl::SimpleAtoi(ends.back(), &last)) continue;
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

// "1024K" -> bytes; 0 when it is something else.
int64_t ParseCacheSize(absl::string_view text) {
  const int64_t unit = absl::ConsumeSuffix(&text, "K")   ? 1 << 10
                       : absl::ConsumeSuffix(&text, "M") ? 1 << 20
                                                         : 1;
  int64_t size = 0;
  return absl::SimpleAtoi(text, &size) ? size * unit : 0;
}

// The node of each CPU; those that sysfs does not tell of are missing.
std::map<int, int> NodesOfCpus(const std::string& root) {
  const std::string folder = root + "/sys/devices/system/node/";
  std::map<int, int> nodes;
  for (int node : ParseCpuList(FirstLineOf(folder + "online"))) {
    for (int cpu : ParseCpuList(FirstLineOf(absl::StrCat(folder, "node", node, "/cpulist")))) {
      nodes[cpu] = node;
    }
  }
  return nodes;
}

}  // namespace

CpuTopology ReadCpuTopology(const std::string& root, const std::vector<int>& allowed) {
  const std::string folder = root + "/sys/devices/system/cpu/";
  CpuTopology topology;
  std::map<int, int> nodes = NodesOfCpus(root);
  std::set<std::string> cores;  // a core is known by the list of its siblings
  std::map<std::string, size_t> allowed_cores;
  for (int cpu : ParseCpuList(FirstLineOf(folder + "online"))) {
    const std::string siblings =
        FirstLineOf(absl::StrCat(folder, "cpu", cpu, "/topology/thread_siblings_list"));
    if (siblings.empty()) continue;
    cores.insert(siblings);
    if (std::find(allowed.begin(), allowed.end(), cpu) == allowed.end()) continue;
    const auto [core, added] = allowed_cores.emplace(siblings, topology.allowed_cores.size());
    if (added) topology.allowed_cores.push_back({{}, nodes[cpu]});
    topology.allowed_cores[core->second].cpus.push_back(cpu);
  }
  topology.physical_cores = static_cast<int>(cores.size());
  for (int index = 0; index < 8; ++index) {
    const std::string cache = absl::StrCat(folder, "cpu0/cache/index", index);
    const std::string level = FirstLineOf(cache + "/level");
    const int64_t size = ParseCacheSize(FirstLineOf(cache + "/size"));
    if (level == "2") topology.l2_bytes = size;
    if (level == "3") topology.l3_bytes = size;
  }
  return topology;
}

// 8192 CPUs are what Linux can be built for.
std::vector<int> AllowedCpus() {
  constexpr int kMaxCpus = 8192;
  std::vector<int> cpus;
  cpu_set_t* const set = CPU_ALLOC(kMaxCpus);
  const size_t bytes = CPU_ALLOC_SIZE(kMaxCpus);
  if (set != nullptr && sched_getaffinity(0, bytes, set) == 0) {
    for (int cpu = 0; cpu < kMaxCpus; ++cpu) {
      if (CPU_ISSET_S(cpu, bytes, set)) cpus.push_back(cpu);
    }
  }
  CPU_FREE(set);
  return cpus;
}

int UsableThreads(const CpuTopology& topology, int allowed_cpus, double cgroup_cpus) {
  int threads = topology.allowed_cores.empty() ? allowed_cpus
                                               : static_cast<int>(topology.allowed_cores.size());
  if (cgroup_cpus > 0) threads = std::min(threads, static_cast<int>(cgroup_cpus));
  return std::max(1, threads);
}

}  // namespace quantd
