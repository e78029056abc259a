#include "kernels/base/hardware.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <thread>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernels/base/cgroup.h"
#include "kernels/base/cpu_topology.h"
#include "kernels/base/cuda_probe.h"

namespace quantd {
namespace {

#if defined(__x86_64__)

struct CpuidRegisters {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// Zeros when the processor has no such leaf.
CpuidRegisters Cpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidRegisters r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

// The register states that the operating system saves; 0 when it has not enabled XSAVE.
uint64_t ReadXcr0() {
  constexpr uint32_t kOsxsave = 1u << 27;
  if ((Cpuid(1, 0).ecx & kOsxsave) == 0) return 0;
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

constexpr uint64_t kXcr0Avx = 0x6;      // XMM, YMM
constexpr uint64_t kXcr0Avx512 = 0xe6;  // and opmask, ZMM_Hi256, Hi16_ZMM
constexpr uint64_t kXcr0Amx = 0x60006;  // and XTILECFG, XTILEDATA

// One CPU feature: where CPUID tells it and which saved state it needs.
struct Feature {
  const char* name;
  uint32_t leaf, subleaf;
  uint32_t CpuidRegisters::*reg;
  int bit;
  uint64_t xcr0;
};

// Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E.
constexpr Feature kFeatures[] = {
    {"fma", 1, 0, &CpuidRegisters::ecx, 12, kXcr0Avx},
    {"f16c", 1, 0, &CpuidRegisters::ecx, 29, kXcr0Avx},
    {"avx", 1, 0, &CpuidRegisters::ecx, 28, kXcr0Avx},
    {"avx2", 7, 0, &CpuidRegisters::ebx, 5, kXcr0Avx},
    {"avx_vnni", 7, 1, &CpuidRegisters::eax, 4, kXcr0Avx},
    {"avx512f", 7, 0, &CpuidRegisters::ebx, 16, kXcr0Avx512},
    {"avx512dq", 7, 0, &CpuidRegisters::ebx, 17, kXcr0Avx512},
    {"avx512bw", 7, 0, &CpuidRegisters::ebx, 30, kXcr0Avx512},
    {"avx512vl", 7, 0, &CpuidRegisters::ebx, 31, kXcr0Avx512},
    {"avx512_vbmi", 7, 0, &CpuidRegisters::ecx, 1, kXcr0Avx512},
    {"avx512_vnni", 7, 0, &CpuidRegisters::ecx, 11, kXcr0Avx512},
    {"avx512_bf16", 7, 1, &CpuidRegisters::eax, 5, kXcr0Avx512},
    {"avx512_fp16", 7, 0, &CpuidRegisters::edx, 23, kXcr0Avx512},
    {"amx_tile", 7, 0, &CpuidRegisters::edx, 24, kXcr0Amx},
    {"amx_int8", 7, 0, &CpuidRegisters::edx, 25, kXcr0Amx},
    {"amx_bf16", 7, 0, &CpuidRegisters::edx, 22, kXcr0Amx},
};

// Asks Linux to let this process, and threads it starts from now on, use tile data: without the
// permission the first tile instruction is fatal. See the kernel's Documentation/arch/x86/xstate.
bool TilesGranted() {
  constexpr int64_t kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

void ProbeFeatures(Hardware* hardware) {
  const uint64_t xcr0 = ReadXcr0();
  for (const Feature& feature : kFeatures) {
    const CpuidRegisters r = Cpuid(feature.leaf, feature.subleaf);
    const bool in_cpu = ((r.*feature.reg) >> feature.bit & 1u) != 0;
    const bool in_os = (xcr0 & feature.xcr0) == feature.xcr0;
    if (!in_cpu || !in_os) continue;
    if (feature.xcr0 == kXcr0Amx && !TilesGranted()) continue;
    hardware->features.push_back(feature.name);
  }
}

// Leaves 0x80000002 to 4 spell the brand string in 48 bytes.
std::string ProbeCpuName() {
  char name[49] = {};
  for (uint32_t i = 0; i < 3; ++i) {
    const CpuidRegisters r = Cpuid(0x80000002u + i, 0);
    std::memcpy(name + 16 * i, &r, sizeof(r));
  }
  std::string trimmed = name;
  trimmed.erase(0, trimmed.find_first_not_of(' '));
  trimmed.erase(trimmed.find_last_not_of(' ') + 1);
  return trimmed.empty() ? "x86-64 processor" : trimmed;
}

#else

void ProbeFeatures(Hardware*) {}
std::string ProbeCpuName() { return "processor without vector kernels in this build"; }

#endif

uint32_t IsasFrom(const std::vector<std::string>& features) {
  const auto has = [&](std::initializer_list<const char*> names) {
    return std::all_of(names.begin(), names.end(), [&](const char* name) {
      return std::find(features.begin(), features.end(), name) != features.end();
    });
  };
  uint32_t isas = IsaBit(Isa::kReference);
  if (!has({"avx2", "fma", "f16c"})) return isas;
  isas |= IsaBit(Isa::kAvx2);
  if (has({"avx_vnni"})) isas |= IsaBit(Isa::kAvxVnni);
  if (has({"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni"})) {
    isas |= IsaBit(Isa::kAvx512Vnni);
    if (has({"avx512_bf16"})) isas |= IsaBit(Isa::kAvx512Bf16);
    if (has({"avx512_bf16", "amx_tile", "amx_int8", "amx_bf16"})) isas |= IsaBit(Isa::kAmx);
  }
  return isas;
}

// A line "<key>   <number> kB" of /proc/meminfo, in bytes; 0 when absent.
int64_t MemInfoBytes(const char* key) {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  int64_t kib = 0;
  while (file >> name >> kib && std::getline(file, unit)) {
    if (name == key) return kib * 1024;
  }
  return 0;
}

// By vendor, as measured on a Zen 4 and a Sapphire Rapids (kernels/README.md): AMD's prefetcher
// follows a stream that it is shown, Intel's does not.
int64_t FetchAhead() {
#if defined(__x86_64__) || defined(__i386__)
  const CpuidRegisters vendor = Cpuid(0, 0);
  const bool amd = vendor.ebx == signature_AMD_ebx && vendor.edx == signature_AMD_edx &&
                   vendor.ecx == signature_AMD_ecx;
  if (amd) return 0;
#endif
  return 4096;
}

Hardware Probe() {
  Hardware hardware;
  hardware.cpu_name = ProbeCpuName();
  hardware.fetch_ahead = FetchAhead();
  ProbeFeatures(&hardware);
  hardware.isas = IsasFrom(hardware.features);

  const std::vector<int> allowed = AllowedCpus();
  const CpuTopology topology = ReadCpuTopology("", allowed);
  const CgroupLimits limits = ReadCgroupLimits("");
  const int online = std::max(1, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
  hardware.logical_cpus = allowed.empty() ? online : static_cast<int>(allowed.size());
  hardware.physical_cores = topology.physical_cores > 0 ? topology.physical_cores : online;
  hardware.usable_threads = UsableThreads(topology, hardware.logical_cpus, limits.cpus);

  hardware.l2_bytes = topology.l2_bytes;
  hardware.l3_bytes = topology.l3_bytes;
  hardware.memory_bytes = MemInfoBytes("MemTotal:");
  if (limits.memory_bytes > 0) {
    hardware.memory_bytes = std::min(hardware.memory_bytes, limits.memory_bytes);
  }
  hardware.cuda_status = DescribeCuda();
  return hardware;
}

}  // namespace

const Hardware& ProbeHardware() {
  static const Hardware* const hardware = new Hardware(Probe());
  return *hardware;
}

int64_t AvailableMemoryBytes() {
  const int64_t available = MemInfoBytes("MemAvailable:");
  const int64_t headroom = ReadCgroupLimits("").memory_headroom;
  return headroom < 0 ? available : std::min(available, headroom);
}

}  // namespace quantd
