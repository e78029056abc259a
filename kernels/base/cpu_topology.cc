#include "kernels/base/cpu_topology.h"

#include <algorithm>
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

}  // namespace

CpuTopology ReadCpuTopology(const std::string& root, const std::vector<int>& allowed) {
  const std::string folder = root + "/sys/devices/system/cpu/";
  CpuTopology topology;
  std::set<std::string> cores, allowed_cores;  // a core is known by the list of its siblings
  for (int cpu : ParseCpuList(FirstLineOf(folder + "online"))) {
    const std::string siblings =
        FirstLineOf(absl::StrCat(folder, "cpu", cpu, "/topology/thread_siblings_list"));
    if (siblings.empty()) continue;
    cores.insert(siblings);
    if (std::find(allowed.begin(), allowed.end(), cpu) != allowed.end()) {
      allowed_cores.insert(siblings);
    }
  }
  topology.physical_cores = static_cast<int>(cores.size());
  topology.allowed_cores = static_cast<int>(allowed_cores.size());
  for (int index = 0; index < 8; ++index) {
    const std::string cache = absl::StrCat(folder, "cpu0/cache/index", index);
    const std::string level = FirstLineOf(cache + "/level");
    const int64_t size = ParseCacheSize(FirstLineOf(cache + "/size"));
    if (level == "2") topology.l2_bytes = size;
    if (level == "3") topology.l3_bytes = size;
  }
  return topology;
}

}  // namespace quantd
