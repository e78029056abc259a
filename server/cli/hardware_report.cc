#include "server/cli/hardware_report.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/cli/output.h"

namespace quantd {
namespace {

std::vector<std::string> IsaNames(const Hardware& hardware) {
  std::vector<std::string> names;
  for (const IsaInfo& info : Isas()) {
    if (hardware.Supports(info.isa)) names.emplace_back(info.name);
  }
  return names;
}

std::string CacheSize(int64_t bytes) {
  return bytes > 0 ? FormatBytes(static_cast<uint64_t>(bytes)) : "unknown";
}

}  // namespace

Json HardwareJson(const Hardware& hardware) {
  return {{"cpu", hardware.cpu_name},
          {"features", hardware.features},
          {"isas", IsaNames(hardware)},
          {"physical_cores", hardware.physical_cores},
          {"logical_cpus", hardware.logical_cpus},
          {"usable_threads", hardware.usable_threads},
          {"l2_bytes", hardware.l2_bytes},
          {"l3_bytes", hardware.l3_bytes},
          {"memory_bytes", hardware.memory_bytes},
          {"cuda_built", hardware.cuda_built},
          {"cuda_status", hardware.cuda_status}};
}

std::string HardwareText(const Hardware& hardware) {
  return absl::StrCat("Processor      ", EscapeText(hardware.cpu_name), "\n",  //
                      "Cores          ", hardware.physical_cores, " physical, ",
                      hardware.logical_cpus, " CPUs for this process, ", hardware.usable_threads,
                      " threads by default\n",  //
                      "Caches         L2 ", CacheSize(hardware.l2_bytes), " per core, L3 ",
                      CacheSize(hardware.l3_bytes), "\n",                               //
                      "Memory         ", CacheSize(hardware.memory_bytes), "\n",        //
                      "Features       ", absl::StrJoin(hardware.features, " "), "\n",   //
                      "Kernel sets    ", absl::StrJoin(IsaNames(hardware), " "), "\n",  //
                      "GPU            ", EscapeText(hardware.cuda_status), "\n");
}

}  // namespace quantd
