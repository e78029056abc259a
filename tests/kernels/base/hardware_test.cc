#include "kernels/base/hardware.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace quantd {
namespace {

TEST(Isa, NamesParseAndIncludesAreClosed) {
  for (const IsaInfo& info : Isas()) {
    EXPECT_EQ(*ParseIsa(info.name), info.isa);
    EXPECT_NE(info.includes & IsaBit(info.isa), 0u);
    EXPECT_NE(info.includes & IsaBit(Isa::kReference), 0u);
    for (const IsaInfo& other : Isas()) {
      if ((info.includes & IsaBit(other.isa)) == 0) continue;
      EXPECT_EQ(other.includes & ~info.includes, 0u) << info.name << " " << other.name;
    }
  }
  EXPECT_EQ(*ParseIsa("AVX2"), Isa::kAvx2);
  const absl::Status unknown = ParseIsa("mmx").status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.message()), testing::HasSubstr("reference, avx2, avxvnni"));
}

TEST(Hardware, ProbeIsConsistent) {
  const Hardware& hardware = ProbeHardware();
  EXPECT_EQ(&hardware, &ProbeHardware());
  EXPECT_TRUE(hardware.Supports(Isa::kReference));
  for (const IsaInfo& info : Isas()) {  // what an instruction set includes can run as well
    EXPECT_TRUE(!hardware.Supports(info.isa) || (info.includes & ~hardware.isas) == 0) << info.name;
  }
  EXPECT_FALSE(hardware.cpu_name.empty());
  EXPECT_GE(hardware.usable_threads, 1);
  EXPECT_LE(hardware.usable_threads, hardware.logical_cpus);
  EXPECT_GT(hardware.memory_bytes, 0);
  EXPECT_GT(AvailableMemoryBytes(), 0);
  EXPECT_LE(AvailableMemoryBytes(), hardware.memory_bytes);
  EXPECT_FALSE(hardware.cuda_built);
  EXPECT_THAT(hardware.cuda_status, testing::HasSubstr("no CUDA backend"));
}

#if defined(__x86_64__)
// The kernel lists a feature in /proc/cpuinfo only if it saves its registers: the same question,
// answered by someone else.
TEST(Hardware, FeaturesAgreeWithTheKernel) {
  std::ifstream file("/proc/cpuinfo");
  std::string line, flags;
  while (std::getline(file, line)) {
    if (line.rfind("flags", 0) == 0) flags = line + " ";
  }
  if (flags.empty()) GTEST_SKIP() << "no flags in /proc/cpuinfo";
  const auto listed = [&](const std::string& flag) {
    return flags.find(" " + flag + " ") != std::string::npos;
  };
  for (const char* flag : {"fma", "f16c", "avx", "avx2", "avx512f", "avx512dq", "avx512bw",
                           "avx512vl", "avx512_vnni", "avx_vnni", "avx512_bf16"}) {
    const auto& features = ProbeHardware().features;
    EXPECT_EQ(std::find(features.begin(), features.end(), flag) != features.end(), listed(flag))
        << flag;
  }
  EXPECT_EQ(ProbeHardware().Supports(Isa::kAvx2),
            listed("avx2") && listed("fma") && listed("f16c"));
}
#endif

}  // namespace
}  // namespace quantd
