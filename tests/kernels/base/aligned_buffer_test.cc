#include "kernels/base/aligned_buffer.h"

#include <gtest/gtest.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>

namespace quantd {
namespace {

constexpr size_t kMiB = 1 << 20;

TEST(AlignedBuffer, IsAlignedZeroedAndWritableToItsEnd) {
  for (const size_t bytes :
       {size_t{1}, size_t{63}, size_t{4096}, 2 * kMiB - 1, 2 * kMiB, 2 * kMiB + 1, 5 * kMiB + 7}) {
    AlignedBuffer buffer(bytes);
    ASSERT_NE(buffer.data(), nullptr);
    EXPECT_EQ(buffer.size(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
    if (bytes >= 2 * kMiB) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % (2 * kMiB), 0u);
    }
    for (size_t i = 0; i < bytes; i += 61) ASSERT_EQ(buffer.as<uint8_t>()[i], 0);
    memset(buffer.data(), 0xff, bytes);
  }
}

TEST(AlignedBuffer, EmptyAndImpossibleSizesHoldNothing) {
  for (const size_t bytes :
       {size_t{0}, std::numeric_limits<size_t>::max(), std::numeric_limits<size_t>::max() / 5}) {
    const AlignedBuffer buffer(bytes);
    EXPECT_EQ(buffer.data(), nullptr);
    EXPECT_EQ(buffer.size(), 0u);
  }
}

// Bytes of the mapping that holds an address that are in memory, and those of them in huge pages.
struct Resident {
  int64_t bytes = 0, huge_bytes = 0, mapped_bytes = 0;
};
Resident ResidentAround(const void* address) {
  std::ifstream smaps("/proc/self/smaps");
  std::string line;
  Resident resident;
  bool inside = false;
  while (std::getline(smaps, line)) {
    unsigned long begin = 0, end = 0;  // NOLINT(runtime/int): as scanf takes it
    int64_t kib = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      const auto at = reinterpret_cast<uintptr_t>(address);
      inside = at >= begin && at < end;
      if (inside) resident.mapped_bytes = static_cast<int64_t>(end - begin);
    } else if (inside && std::sscanf(line.c_str(), "Rss: %ld kB", &kib) == 1) {
      resident.bytes = kib * 1024;
    } else if (inside && std::sscanf(line.c_str(), "AnonHugePages: %ld kB", &kib) == 1) {
      resident.huge_bytes = kib * 1024;
    }
  }
  return resident;
}

TEST(AlignedBuffer, TakesNoMemoryBehindItsEnd) {
  AlignedBuffer buffer(2 * kMiB + 5000);
  memset(buffer.data(), 1, buffer.size());
  const Resident resident = ResidentAround(buffer.data());
  if (resident.mapped_bytes == 0) GTEST_SKIP() << "no /proc/self/smaps";
  if (resident.mapped_bytes > static_cast<int64_t>(3 * kMiB)) {
    GTEST_SKIP() << "the system shows it together with another mapping";
  }
  EXPECT_EQ(resident.bytes, static_cast<int64_t>(2 * kMiB + 8192));
}

TEST(MemoryPolicy, HugePagesCanBeRefused) {
  MemoryPolicy policy;
  policy.huge_pages = false;
  ASSERT_TRUE(SetMemoryPolicy(policy).ok());
  AlignedBuffer buffer(4 * kMiB);
  ASSERT_TRUE(SetMemoryPolicy({}).ok());
  memset(buffer.data(), 1, buffer.size());
  EXPECT_EQ(ResidentAround(buffer.data()).huge_bytes, 0);
}

TEST(MemoryPolicy, NodesAreCheckedAndBound) {
  MemoryPolicy policy;
  policy.nodes = {100000};
  EXPECT_FALSE(SetMemoryPolicy(policy).ok());
  policy.nodes = {0};
  const absl::Status bound = SetMemoryPolicy(policy);
  if (!bound.ok()) GTEST_SKIP() << bound;  // a kernel without NUMA, or a sandbox
  AlignedBuffer buffer(3 * kMiB);
  ASSERT_TRUE(SetMemoryPolicy({}).ok());
  int mode = -1;
  ASSERT_EQ(syscall(SYS_get_mempolicy, &mode, nullptr, 0, buffer.data(), MPOL_F_ADDR), 0);
  EXPECT_EQ(mode, MPOL_BIND);
  AlignedBuffer plain(3 * kMiB);
  ASSERT_EQ(syscall(SYS_get_mempolicy, &mode, nullptr, 0, plain.data(), MPOL_F_ADDR), 0);
  EXPECT_EQ(mode, MPOL_DEFAULT);
}

TEST(AlignedBuffer, MoveKeepsTheBytes) {
  AlignedBuffer a(3 * kMiB), b(10);
  a.as<char>()[kMiB] = 'a';
  void* const data = a.data();
  AlignedBuffer c(std::move(a));
  EXPECT_EQ(c.data(), data);
  b = std::move(c);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(b.size(), 3 * kMiB);
  EXPECT_EQ(b.as<char>()[kMiB], 'a');
}

}  // namespace
}  // namespace quantd
