#include "kernels/base/cpu_placement.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/base/cgroup.h"
#include "kernels/base/text_file.h"

namespace quantd {
namespace {

constexpr char kNone[] = "none", kInterleave[] = "interleave";

std::vector<int> NodesOf(const std::vector<CpuCore>& cores) {
  std::set<int> nodes;
  for (const CpuCore& core : cores) nodes.insert(core.node);
  return {nodes.begin(), nodes.end()};
}

// The cores of one node. Errors: FAILED_PRECONDITION when there are none.
absl::StatusOr<std::vector<CpuCore>> CoresOfNode(const std::vector<CpuCore>& cores, int node) {
  std::vector<CpuCore> chosen;
  std::copy_if(cores.begin(), cores.end(), std::back_inserter(chosen),
               [node](const CpuCore& core) { return core.node == node; });
  if (!chosen.empty()) return chosen;
  return absl::FailedPreconditionError(
      absl::StrCat("numa: node ", node, " has no CPU that this process may use; it may use CPUs ",
                   "of the nodes ", absl::StrJoin(NodesOf(cores), ", ")));
}

// The cores in turn from each node, so that any number of the first ones is spread over all.
std::vector<CpuCore> Spread(const std::vector<CpuCore>& cores) {
  std::map<int, int> taken;                        // of each node
  std::map<std::pair<int, int>, CpuCore> by_turn;  // (turn, node)
  for (const CpuCore& core : cores) by_turn[{taken[core.node]++, core.node}] = core;
  std::vector<CpuCore> spread;
  spread.reserve(by_turn.size());
  for (const auto& [turn, core] : by_turn) spread.push_back(core);
  return spread;
}

// The first CPU of every core, then the second of those that have one, and so on.
std::vector<int> CpusInOrder(const std::vector<CpuCore>& cores) {
  std::vector<int> cpus;
  for (size_t sibling = 0, before = 1; cpus.size() != before; ++sibling) {
    before = cpus.size();
    for (const CpuCore& core : cores) {
      if (sibling < core.cpus.size()) cpus.push_back(core.cpus[sibling]);
    }
  }
  return cpus;
}

absl::Status PlanPages(const PlacementOptions& options, const PlacementMachine& machine,
                       MemoryPolicy* memory) {
  const std::vector<std::string>& modes = HugePageModes();
  if (std::find(modes.begin(), modes.end(), options.huge_pages) == modes.end()) {
    return absl::InvalidArgumentError(absl::StrCat("huge_pages: '", options.huge_pages,
                                                   "' is none of ", absl::StrJoin(modes, ", ")));
  }
  memory->huge_pages = options.huge_pages != "off";
  const std::string& given = machine.huge_page_modes;  // "always [madvise] never"
  if (options.huge_pages == "on" && (given.empty() || given.find("[never]") != std::string::npos)) {
    return absl::FailedPreconditionError(
        "huge_pages: this system gives none "
        "(/sys/kernel/mm/transparent_hugepage/enabled: never)");
  }
  return absl::OkStatus();
}

absl::Status PlanNodes(const std::string& numa, std::vector<CpuCore>* cores, Placement* placement) {
  if (absl::Status s = CheckNuma(numa); !s.ok()) return s;
  if (numa == kNone) return absl::OkStatus();
  if (cores->empty()) {
    return absl::FailedPreconditionError("numa: this system does not tell its cores and nodes");
  }
  if (numa == kInterleave) {
    *cores = Spread(*cores);
    // On one node there is nothing to spread, and maybe no kernel support either.
    if (const std::vector<int> nodes = NodesOf(*cores); nodes.size() > 1) {
      placement->memory.nodes = nodes;
    }
    return absl::OkStatus();
  }
  int node = 0;
  if (!absl::SimpleAtoi(numa, &node)) return CheckNuma(numa);
  absl::StatusOr<std::vector<CpuCore>> chosen = CoresOfNode(*cores, node);
  if (!chosen.ok()) return chosen.status();
  *cores = *std::move(chosen);
  placement->memory.nodes = {node};
  placement->confined = CpusInOrder(*cores);
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckNuma(absl::string_view text) {
  int node = 0;
  if (text == kNone || text == kInterleave || (absl::SimpleAtoi(text, &node) && node >= 0)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", text.substr(0, 64), "' is neither none, interleave nor a node's number"));
}

const std::vector<std::string>& HugePageModes() {
  static const auto* const modes = new std::vector<std::string>{"auto", "on", "off"};
  return *modes;
}

PlacementMachine ProbePlacementMachine() {
  const std::vector<int> allowed = AllowedCpus();
  PlacementMachine machine;
  machine.topology = ReadCpuTopology("", allowed);
  machine.allowed_cpus = std::max<int>(1, static_cast<int>(allowed.size()));
  machine.cgroup_cpus = ReadCgroupLimits("").cpus;
  machine.huge_page_modes = FirstLineOf("/sys/kernel/mm/transparent_hugepage/enabled");
  return machine;
}

absl::StatusOr<Placement> PlanPlacement(const PlacementOptions& options, int threads,
                                        const PlacementMachine& machine) {
  Placement placement;
  if (absl::Status s = PlanPages(options, machine, &placement.memory); !s.ok()) return s;
  CpuTopology topology = machine.topology;
  if (absl::Status s = PlanNodes(options.numa, &topology.allowed_cores, &placement); !s.ok()) {
    return s;
  }
  placement.threads =
      threads > 0 ? threads : UsableThreads(topology, machine.allowed_cpus, machine.cgroup_cpus);
  if (!options.pin_threads) return placement;
  placement.pinned = CpusInOrder(topology.allowed_cores);
  const auto cpus = static_cast<int>(placement.pinned.size());
  if (placement.threads > cpus) {
    return absl::FailedPreconditionError(absl::StrCat(
        "pin_threads: ", placement.threads, " threads cannot each have one of ", cpus, " CPUs"));
  }
  placement.pinned.resize(placement.threads);
  return placement;
}

absl::Status ConfineThread(const std::vector<int>& cpus) {
  const int most = cpus.empty() ? 0 : *std::max_element(cpus.begin(), cpus.end());
  cpu_set_t* const set = CPU_ALLOC(most + 1);
  if (set == nullptr) return absl::ResourceExhaustedError("no memory for a set of CPUs");
  const size_t bytes = CPU_ALLOC_SIZE(most + 1);
  CPU_ZERO_S(bytes, set);
  for (const int cpu : cpus) CPU_SET_S(cpu, bytes, set);
  const int error = sched_setaffinity(0, bytes, set) == 0 ? 0 : errno;
  CPU_FREE(set);
  if (error == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(
      error, absl::StrCat("cannot confine a thread to the CPUs ", absl::StrJoin(cpus, ",")));
}

}  // namespace quantd
