#include "kernels/kernel_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

namespace quantd {
namespace {

using ::testing::HasSubstr;

Hardware Machine(std::initializer_list<Isa> isas) {
  Hardware hardware;
  hardware.cpu_name = "a test machine";
  for (const Isa isa : isas) hardware.isas |= IsaBit(isa);
  return hardware;
}

std::string Chosen(const KernelSet& kernels, const QuantFormat& format, int64_t m) {
  return Describe(*kernels.SelectGemm(format, WeightLayout::kRows32, m)).name;
}

TEST(KernelSet, BareMachineRunsEverythingOnTheReference) {
  const auto kernels = KernelSet::Create(Machine({}), {});
  ASSERT_TRUE(kernels.ok()) << kernels.status();
  for (const NamedFormat& named : NamedFormats()) {
    EXPECT_TRUE((*kernels)->SupportsFormat(named.format)) << named.name;
    for (const int64_t m : {1, 2, 64, 65, 100000}) {
      EXPECT_THAT(Chosen(**kernels, named.format, m), HasSubstr("reference"));
    }
  }
  EXPECT_EQ((*kernels)->ops().isa, Isa::kReference);
  EXPECT_EQ((*kernels)->attention(KvType::kF16).isa, Isa::kReference);
}

TEST(KernelSet, UnknownNamesAreErrorsThatListWhatExists) {
  const auto isa = KernelSet::Create(ProbeHardware(), {"sse9", ""});
  EXPECT_EQ(isa.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(isa.status().message()), HasSubstr("avx512vnni"));
  const auto kernel = KernelSet::Create(ProbeHardware(), {"", "gemm_q4_0_sse9"});
  EXPECT_EQ(kernel.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(kernel.status().message()), HasSubstr("gemm_q4_0_sse9"));
}

TEST(KernelSet, ForcingWhatTheMachineLacksIsAnErrorThatSaysWhy) {
  const Hardware bare = Machine({});
  const auto isa = KernelSet::Create(bare, {"avx2", ""});
  EXPECT_EQ(isa.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(isa.status().message()), HasSubstr("FMA"));
#if defined(__x86_64__)
  const auto kernel = KernelSet::Create(bare, {"", "gemm_f16_avx2_batch"});
  EXPECT_EQ(kernel.status().code(), absl::StatusCode::kFailedPrecondition);
  const auto both = KernelSet::Create(ProbeHardware(), {"reference", "gemm_f16_avx2_batch"});
  if (ProbeHardware().Supports(Isa::kAvx2)) {
    EXPECT_EQ(both.status().code(), absl::StatusCode::kInvalidArgument);
  }
#endif
}

TEST(KernelSet, ForcedInstructionSetRulesEverything) {
  for (const IsaInfo& isa : Isas()) {
    if (!ProbeHardware().Supports(isa.isa)) continue;
    const auto kernels = KernelSet::Create(ProbeHardware(), {isa.name, ""});
    ASSERT_TRUE(kernels.ok()) << kernels.status();
    for (const KernelStatus& status : (*kernels)->Report()) {
      const uint32_t bit = IsaBit(*ParseIsa(status.isa));
      EXPECT_TRUE(!status.selected || (isa.includes & bit) != 0) << status.kernel;
      EXPECT_EQ(status.feasible, (isa.includes & bit) != 0) << status.kernel;
    }
    EXPECT_EQ((*kernels)->forced().isa, isa.name);
  }
}

TEST(KernelSet, EnvironmentNamesTheOverride) {
  setenv("QUANTD_FORCE_ISA", "reference", 1);
  setenv("QUANTD_FORCE_KERNEL", "gemm_q4_0_reference", 1);
  const KernelOverride forced = KernelOverride::FromEnvironment();
  unsetenv("QUANTD_FORCE_ISA");
  unsetenv("QUANTD_FORCE_KERNEL");
  EXPECT_EQ(forced.isa, "reference");
  EXPECT_EQ(forced.kernel, "gemm_q4_0_reference");
  EXPECT_EQ(KernelOverride::FromEnvironment().isa, "");
}

TEST(KernelSet, ReportSaysForEveryLineWhyItRunsOrNot) {
  const auto kernels = KernelSet::Create(ProbeHardware(), {});
  ASSERT_TRUE(kernels.ok());
  std::set<std::string> names, ops;
  for (const KernelStatus& status : (*kernels)->Report()) {
    EXPECT_TRUE(names.insert(status.kernel).second) << status.kernel;
    ops.insert(status.op);
    EXPECT_FALSE(status.quarantined) << status.kernel;
    EXPECT_EQ(status.selected, status.reason.empty()) << status.kernel << ": " << status.reason;
    EXPECT_FALSE(status.how.empty()) << status.kernel;
    EXPECT_TRUE(status.feasible || !status.selected);
  }
  EXPECT_EQ(ops, (std::set<std::string>{"gemm", "attention", "rms_norm", "rope", "swiglu", "add",
                                        "geglu", "soft_cap", "softmax"}));
}

#if defined(__x86_64__)
class VectorKernels : public testing::Test {
 protected:
  void SetUp() override {
    if (!ProbeHardware().Supports(Isa::kAvx2)) GTEST_SKIP() << "needs AVX2";
  }
};

// Every line of the report and every counter says that `faulty` and nothing else is quarantined;
// `lines` are the lines of the report that this concerns.
void ExpectQuarantined(const KernelSet& kernels, const std::string& faulty,
                       const std::set<std::string>& lines, const std::string& reason) {
  std::set<std::string> seen;
  for (const KernelStatus& status : kernels.Report()) {
    if (!status.quarantined) continue;
    seen.insert(status.kernel);
    EXPECT_FALSE(status.feasible) << status.kernel;
    EXPECT_FALSE(status.selected) << status.kernel;
    EXPECT_THAT(status.reason, HasSubstr(reason)) << status.kernel;
  }
  EXPECT_EQ(seen, lines);
  int found = 0;
  for (const KernelCounters& counters : kernels.Counters()) {
    found += counters.kernel == faulty;
    EXPECT_EQ(counters.selfcheck_failures, counters.kernel == faulty ? 1u : 0u);
    EXPECT_EQ(counters.quarantined, counters.kernel == faulty) << counters.kernel;
  }
  EXPECT_EQ(found, 1);
}

TEST_F(VectorKernels, WrongKernelGivesWayIsCountedAndReported) {
  const std::string faulty = "gemm_q4_0_avx2_batch";
  const auto kernels = KernelSet::Create(ProbeHardware(), {"avx2", ""}, faulty);
  ASSERT_TRUE(kernels.ok()) << kernels.status();
  EXPECT_EQ(Chosen(**kernels, kQ4_0, 1), "gemm_q4_0_avx2_decode");
  EXPECT_EQ(Chosen(**kernels, kQ4_0, 2), "gemm_q4_0_reference");
  EXPECT_EQ(Chosen(**kernels, kQ4_1, 2), "gemm_q4_1_avx2_batch");
  ExpectQuarantined(**kernels, faulty, {faulty}, "reference");
}

TEST_F(VectorKernels, ForcedDecodeKernelLeavesOtherRowCountsToTheFirstFeasibleRow) {
  const auto kernels = KernelSet::Create(ProbeHardware(), {"", "gemm_q4_0_avx2_decode"});
  const auto best = KernelSet::Create(ProbeHardware(), {});
  ASSERT_TRUE(kernels.ok() && best.ok());
  EXPECT_EQ(Chosen(**kernels, kQ4_0, 1), "gemm_q4_0_avx2_decode");
  for (const int64_t m : {2, 32, 1000}) {
    EXPECT_EQ(Chosen(**kernels, kQ4_0, m), Chosen(**best, kQ4_0, m));
  }
}

TEST_F(VectorKernels, ForcedKernelThatFailsIsAnError) {
  const std::string name = "gemm_q4_0_avx2_batch";
  EXPECT_TRUE(KernelSet::Create(ProbeHardware(), {"", name}).ok());
  const auto kernels = KernelSet::Create(ProbeHardware(), {"", name}, name);
  EXPECT_EQ(kernels.status().code(), absl::StatusCode::kInternal);
}

TEST_F(VectorKernels, WrongOperationTakesItsTableOut) {
  const std::set<std::string> lines = {"rms_norm_avx2", "rope_avx2",     "swiglu_avx2", "add_avx2",
                                       "geglu_avx2",    "soft_cap_avx2", "softmax_avx2"};
  const auto table = KernelSet::Create(ProbeHardware(), {"avx2", ""}, "ops_avx2");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ((*table)->ops().isa, Isa::kReference);
  EXPECT_EQ((*table)->attention(KvType::kF32).isa, Isa::kAvx2);
  ExpectQuarantined(**table, "ops_avx2", lines, "reference");
  const auto one = KernelSet::Create(ProbeHardware(), {"avx2", ""}, "softmax_avx2");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ((*one)->ops().isa, Isa::kReference);
  ExpectQuarantined(**one, "ops_avx2", lines, "softmax disagreed");
  for (const KernelStatus& status : (*one)->Report()) {
    if (status.kernel == "softmax_reference") {
      EXPECT_TRUE(status.selected);
    }
  }
}

TEST_F(VectorKernels, WrongAttentionGivesWayForItsTypeOnly) {
  const std::string faulty = "attention_f16_avx2";
  const auto kernels = KernelSet::Create(ProbeHardware(), {"avx2", ""}, faulty);
  ASSERT_TRUE(kernels.ok()) << kernels.status();
  EXPECT_EQ((*kernels)->attention(KvType::kF16).isa, Isa::kReference);
  EXPECT_EQ((*kernels)->attention(KvType::kF32).isa, Isa::kAvx2);
  EXPECT_EQ((*kernels)->ops().isa, Isa::kAvx2);
  ExpectQuarantined(**kernels, faulty, {faulty}, "reference");
}

TEST_F(VectorKernels, TheNextWeakerInstructionSetTakesOver) {
  if (!ProbeHardware().Supports(Isa::kAvx512Vnni)) GTEST_SKIP() << "needs AVX-512 VNNI";
  const auto ops = KernelSet::Create(ProbeHardware(), {}, "ops_avx512vnni");
  ASSERT_TRUE(ops.ok()) << ops.status();
  EXPECT_EQ((*ops)->ops().isa, Isa::kAvx2);
  const auto attention = KernelSet::Create(ProbeHardware(), {}, "attention_f32_avx512vnni");
  ASSERT_TRUE(attention.ok()) << attention.status();
  EXPECT_EQ((*attention)->attention(KvType::kF32).isa, Isa::kAvx2);
  EXPECT_EQ((*attention)->attention(KvType::kF16).isa, Isa::kAvx512Vnni);
}

TEST_F(VectorKernels, FaultOfAKernelThatWouldNotRunChangesNothing) {
  for (const char* name : {"ops_reference", "attention_f16_avx512vnni", "softmax_avx512vnni"}) {
    const auto kernels = KernelSet::Create(ProbeHardware(), {"avx2", ""}, name);
    ASSERT_TRUE(kernels.ok()) << kernels.status();
    EXPECT_EQ((*kernels)->ops().isa, Isa::kAvx2);
    for (const KernelCounters& counters : (*kernels)->Counters()) {
      EXPECT_FALSE(counters.quarantined) << counters.kernel;
    }
  }
}
#endif

}  // namespace
}  // namespace quantd
