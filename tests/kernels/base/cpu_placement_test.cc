#include "kernels/base/cpu_placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace quantd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Two nodes of two cores with two hardware threads each: core c has CPUs c and c + 4.
PlacementMachine TwoNodes() {
  PlacementMachine machine;
  for (int core = 0; core < 4; ++core) {
    machine.topology.allowed_cores.push_back({{core, core + 4}, core / 2});
  }
  machine.allowed_cpus = 8;
  machine.huge_page_modes = "always [madvise] never";
  return machine;
}

TEST(PlanPlacement, LeavesAllToTheSystemByDefault) {
  const auto placement = PlanPlacement({}, 0, TwoNodes());
  ASSERT_TRUE(placement.ok()) << placement.status();
  EXPECT_EQ(placement->threads, 4);
  EXPECT_THAT(placement->pinned, IsEmpty());
  EXPECT_THAT(placement->confined, IsEmpty());
  EXPECT_THAT(placement->memory.nodes, IsEmpty());
  EXPECT_TRUE(placement->memory.huge_pages);
  EXPECT_EQ(PlanPlacement({}, 9, TwoNodes())->threads, 9);
  PlacementMachine limited = TwoNodes();
  limited.cgroup_cpus = 2.5;
  EXPECT_EQ(PlanPlacement({}, 0, limited)->threads, 2);
}

TEST(PlanPlacement, PinsToCoresBeforeTheirSecondThreads) {
  PlacementOptions options;
  options.pin_threads = true;
  EXPECT_THAT(PlanPlacement(options, 0, TwoNodes())->pinned, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(PlanPlacement(options, 6, TwoNodes())->pinned, ElementsAre(0, 1, 2, 3, 4, 5));
  options.numa = "interleave";
  EXPECT_THAT(PlanPlacement(options, 3, TwoNodes())->pinned, ElementsAre(0, 2, 1));
}

TEST(PlanPlacement, NumaSpreadsOrConfines) {
  PlacementOptions options;
  options.numa = "interleave";
  const auto spread = PlanPlacement(options, 0, TwoNodes());
  ASSERT_TRUE(spread.ok()) << spread.status();
  EXPECT_THAT(spread->memory.nodes, ElementsAre(0, 1));
  EXPECT_THAT(spread->confined, IsEmpty());
  options.numa = "1";
  const auto one = PlanPlacement(options, 0, TwoNodes());
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->threads, 2);
  EXPECT_THAT(one->memory.nodes, ElementsAre(1));
  EXPECT_THAT(one->confined, ElementsAre(2, 3, 6, 7));
  PlacementMachine single = TwoNodes();
  for (CpuCore& core : single.topology.allowed_cores) core.node = 0;
  options.numa = "interleave";
  EXPECT_THAT(PlanPlacement(options, 0, single)->memory.nodes, IsEmpty());
}

TEST(PlanPlacement, SaysWhatCannotBeHonoured) {
  struct Case {
    PlacementOptions options;
    int threads;
    absl::StatusCode code;
    const char* message;
  };
  const auto failed = absl::StatusCode::kFailedPrecondition;
  const Case cases[] = {
      {{true, "none", "auto"}, 9, failed, "pin_threads: 9 threads cannot each have one of 8 CPUs"},
      {{true, "1", "auto"}, 5, failed, "pin_threads: 5 threads cannot each have one of 4 CPUs"},
      {{false, "2", "auto"}, 0, failed, "numa: node 2 has no CPU that this process may use; it "},
      {{false, "all", "auto"}, 0, absl::StatusCode::kInvalidArgument, "'all' is neither none"},
      {{false, "-1", "auto"}, 0, absl::StatusCode::kInvalidArgument, "'-1' is neither none"},
      {{false, "none", "yes"}, 0, absl::StatusCode::kInvalidArgument, "huge_pages: 'yes' is none"},
  };
  for (const Case& c : cases) {
    const auto placement = PlanPlacement(c.options, c.threads, TwoNodes());
    EXPECT_EQ(placement.status().code(), c.code) << c.message;
    EXPECT_THAT(std::string(placement.status().message()), HasSubstr(c.message));
  }
  PlacementMachine machine = TwoNodes();
  const PlacementOptions insists{false, "none", "on"};
  EXPECT_TRUE(PlanPlacement(insists, 0, machine).ok());
  for (const char* modes : {"always madvise [never]", ""}) {
    machine.huge_page_modes = modes;
    EXPECT_EQ(PlanPlacement(insists, 0, machine).status().code(), failed);
    EXPECT_TRUE(PlanPlacement({}, 0, machine).ok());
  }
  machine.topology = {};
  EXPECT_EQ(PlanPlacement({true, "none", "auto"}, 0, machine).status().code(), failed);
  EXPECT_EQ(PlanPlacement({false, "0", "auto"}, 0, machine).status().code(), failed);
}

TEST(ConfineThread, KeepsAThreadOnItsCpus) {
  const std::vector<int> allowed = AllowedCpus();
  if (allowed.empty()) GTEST_SKIP() << "the system does not tell its CPUs";
  std::vector<int> seen;
  std::thread([&] {
    ASSERT_TRUE(ConfineThread({allowed.back()}).ok());
    seen = AllowedCpus();
  }).join();
  EXPECT_THAT(seen, ElementsAre(allowed.back()));
  EXPECT_EQ(AllowedCpus(), allowed);
  EXPECT_FALSE(ConfineThread({100000}).ok());
}

}  // namespace
}  // namespace quantd
