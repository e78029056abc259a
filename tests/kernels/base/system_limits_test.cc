// cgroup.h and cpu_topology.h against made-up file systems.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "kernels/base/cgroup.h"
#include "kernels/base/cpu_topology.h"

namespace quantd {
namespace {

namespace fs = std::filesystem;

class SystemLimits : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "quantd_system_limits_" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  void Write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  std::string root_;
};

constexpr int64_t kMiB = 1 << 20;

TEST_F(SystemLimits, CgroupV2TakesTheTightestOfTheGroupsAbove) {
  Write("/proc/self/cgroup", "0::/pods/one\n");
  Write("/sys/fs/cgroup/pods/one/cpu.max", "max 100000\n");
  Write("/sys/fs/cgroup/pods/cpu.max", "350000 100000\n");
  Write("/sys/fs/cgroup/pods/one/memory.max", std::to_string(800 * kMiB));
  Write("/sys/fs/cgroup/pods/one/memory.current", std::to_string(300 * kMiB));
  Write("/sys/fs/cgroup/pods/one/memory.stat",
        "anon 1\ninactive_file " + std::to_string(100 * kMiB) + "\nactive_file 0\n");
  Write("/sys/fs/cgroup/pods/memory.max", "max\n");
  const CgroupLimits limits = ReadCgroupLimits(root_);
  EXPECT_DOUBLE_EQ(limits.cpus, 3.5);
  EXPECT_EQ(limits.memory_bytes, 800 * kMiB);
  EXPECT_EQ(limits.memory_headroom, 600 * kMiB);
}

// In a container the path of /proc/self/cgroup is the host's, and the mount is the group itself.
TEST_F(SystemLimits, CgroupV2InsideAContainer) {
  Write("/proc/self/cgroup", "0::/kubepods/burstable/pod1\n");
  Write("/sys/fs/cgroup/cpu.max", "150000 100000\n");
  Write("/sys/fs/cgroup/memory.max", std::to_string(64 * kMiB));
  Write("/sys/fs/cgroup/memory.current", std::to_string(70 * kMiB));
  const CgroupLimits limits = ReadCgroupLimits(root_);
  EXPECT_DOUBLE_EQ(limits.cpus, 1.5);
  EXPECT_EQ(limits.memory_headroom, 0);
}

TEST_F(SystemLimits, CgroupV1) {
  Write("/proc/self/cgroup", "4:memory:/a\n3:cpuset:/\n2:cpu,cpuacct:/a\n0::/\n");
  Write("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "200000\n");
  Write("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  Write("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", std::to_string(512 * kMiB));
  Write("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", std::to_string(100 * kMiB));
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  const CgroupLimits limits = ReadCgroupLimits(root_);
  EXPECT_DOUBLE_EQ(limits.cpus, 2);
  EXPECT_EQ(limits.memory_bytes, 512 * kMiB);
  EXPECT_EQ(limits.memory_headroom, 412 * kMiB);
}

TEST_F(SystemLimits, NothingThereMeansNoLimit) {
  Write("/proc/self/cgroup", "nonsense\n0::relative\n");
  const CgroupLimits limits = ReadCgroupLimits(root_);
  EXPECT_EQ(limits.cpus, 0);
  EXPECT_EQ(limits.memory_bytes, 0);
  EXPECT_EQ(limits.memory_headroom, -1);
}

TEST_F(SystemLimits, TopologyCountsCoresNotThreads) {
  const std::string cpu = "/sys/devices/system/cpu/";
  Write(cpu + "online", "0-3,6,7\n");
  const char* siblings[] = {"0,2", "1,3", "0,2", "1,3", "", "", "6-7", "6-7"};
  for (const int i : {0, 1, 2, 3, 6, 7}) {
    Write(cpu + "cpu" + std::to_string(i) + "/topology/thread_siblings_list", siblings[i]);
  }
  Write(cpu + "cpu0/cache/index2/level", "2\n");
  Write(cpu + "cpu0/cache/index2/size", "1024K\n");
  Write(cpu + "cpu0/cache/index3/level", "3\n");
  Write(cpu + "cpu0/cache/index3/size", "32M\n");
  const CpuTopology all = ReadCpuTopology(root_, {0, 1, 2, 3, 6, 7});
  EXPECT_EQ(all.physical_cores, 3);
  ASSERT_EQ(all.allowed_cores.size(), 3u);
  EXPECT_EQ(all.allowed_cores[1].cpus, (std::vector<int>{1, 3}));
  EXPECT_EQ(all.allowed_cores[1].node, 0);  // sysfs tells of none
  EXPECT_EQ(all.l2_bytes, kMiB);
  EXPECT_EQ(all.l3_bytes, 32 * kMiB);
  const CpuTopology two = ReadCpuTopology(root_, {0, 2, 7});
  EXPECT_EQ(two.physical_cores, 3);
  ASSERT_EQ(two.allowed_cores.size(), 2u);
  EXPECT_EQ(two.allowed_cores[0].cpus, (std::vector<int>{0, 2}));
  EXPECT_EQ(two.allowed_cores[1].cpus, (std::vector<int>{7}));
}

TEST_F(SystemLimits, TopologyTellsTheNodes) {
  const std::string cpu = "/sys/devices/system/cpu/", node = "/sys/devices/system/node/";
  Write(cpu + "online", "0-3\n");
  for (const int i : {0, 1, 2, 3}) {
    Write(cpu + "cpu" + std::to_string(i) + "/topology/thread_siblings_list", std::to_string(i));
  }
  Write(node + "online", "0,2\n");
  Write(node + "node0/cpulist", "0,2\n");
  Write(node + "node2/cpulist", "1,3\n");
  const CpuTopology topology = ReadCpuTopology(root_, {0, 1, 3});
  ASSERT_EQ(topology.allowed_cores.size(), 3u);
  EXPECT_EQ(topology.allowed_cores[0].node, 0);
  EXPECT_EQ(topology.allowed_cores[1].node, 2);
  EXPECT_EQ(topology.allowed_cores[2].node, 2);
}

// From made-up files to the number of threads: 8 CPUs, 4 cores.
TEST_F(SystemLimits, ThreadsAreCoresWithinAffinityAndQuota) {
  const std::string cpu = "/sys/devices/system/cpu/";
  Write(cpu + "online", "0-7\n");
  for (int i = 0; i < 8; ++i) {
    Write(cpu + "cpu" + std::to_string(i) + "/topology/thread_siblings_list",
          std::to_string(i % 4) + "," + std::to_string(i % 4 + 4));
  }
  const auto threads = [&](const std::vector<int>& allowed) {
    return UsableThreads(ReadCpuTopology(root_, allowed), static_cast<int>(allowed.size()),
                         ReadCgroupLimits(root_).cpus);
  };
  EXPECT_EQ(threads({0, 1, 2, 3, 4, 5, 6, 7}), 4);
  EXPECT_EQ(threads({0, 4, 1}), 2);
  EXPECT_EQ(threads({7}), 1);
  Write("/proc/self/cgroup", "0::/a\n");
  Write("/sys/fs/cgroup/a/cpu.max", "250000 100000\n");
  EXPECT_EQ(threads({0, 1, 2, 3}), 2);
  Write("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
  EXPECT_EQ(threads({0, 1, 2, 3}), 1);
  Write("/proc/self/cgroup", "2:cpu,cpuacct:/b\n");
  Write("/sys/fs/cgroup/cpu/b/cpu.cfs_quota_us", "300000\n");
  Write("/sys/fs/cgroup/cpu/b/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(threads({0, 1, 2, 3}), 3);
  EXPECT_EQ(UsableThreads({}, 6, 0), 6);  // a system that does not tell its cores
}

TEST_F(SystemLimits, TopologyOfNothingIsZero) {
  const CpuTopology none = ReadCpuTopology(root_, {0});
  EXPECT_EQ(none.physical_cores, 0);
  EXPECT_EQ(none.l2_bytes, 0);
}

}  // namespace
}  // namespace quantd
