#include "kernels/measure/calibrate.h"

#include <gtest/gtest.h>

#include <set>

#include "absl/strings/match.h"

namespace quantd {
namespace {

constexpr WeightLayout kLayout = WeightLayout::kRows32;

GemmKernels Kernels(const std::string& isa = "", const std::string& fault = "") {
  return std::move(GemmKernels::Create(ProbeHardware(), {isa, ""}, fault)).value();
}

std::string Chosen(const GemmKernels& kernels, int64_t m) {
  return kernels.SelectGemm(kQ4_0, kLayout, m)->name;
}

bool Always() { return true; }

TEST(PickFastest, KeepsTheFirstUnlessAnotherIsClearlyFaster) {
  GemmKernel a, b, c;
  const GemmKernel* const three[] = {&a, &b, &c};
  using Rounds = std::vector<std::vector<double>>;
  EXPECT_EQ(PickFastest(three, Rounds{{1.0, 0.98, 0.99}}), &a);
  EXPECT_EQ(PickFastest(three, Rounds{{1.0, 0.9, 0.95}}), &b);
  EXPECT_EQ(PickFastest(three, Rounds{{1.0, 0.9, 0.89}}), &c);
  EXPECT_EQ(PickFastest(three, Rounds{{1.0, 2.0, 3.0}}), &a);
  // Something else ran while the first was timed, or in a whole round.
  EXPECT_EQ(PickFastest(three, Rounds{{5.0, 1.1, 1.2}, {1.0, 1.1, 1.2}}), &a);
  EXPECT_EQ(PickFastest(three, Rounds{{5.0, 4.5, 6.0}, {1.0, 0.9, 1.2}}), &b);
}

class CalibrateTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!ProbeHardware().Supports(Isa::kAvx512Vnni)) GTEST_SKIP() << "needs two kernels of Q4_0";
  }
};

// Made-up timings: AVX2 wins everywhere but at m = 8.
double Avx2Wins(const GemmKernel& kernel, int64_t m) {
  return (kernel.isa == Isa::kAvx2) == (m != 8) ? 1.0 : 2.0;
}

TEST_F(CalibrateTest, MeasuredKernelsRunFromTheirPointToTheNext) {
  GemmKernels kernels = Kernels();
  const MeasuredChoices choices =
      Calibrate(kernels, PackedFormat::kQ4_0, kLayout, Avx2Wins, Always);
  EXPECT_EQ(choices.size(), std::size(kMeasuredM));
  EXPECT_EQ(Chosen(kernels, 1), "gemm_q4_0_avx512vnni_decode");
  kernels.Adopt(choices);
  EXPECT_EQ(kernels.measured(), choices);
  EXPECT_EQ(Chosen(kernels, 1), "gemm_q4_0_avx2_decode");
  for (const int64_t m : {2, 3, 7, 16, 31, 64, 512}) {
    EXPECT_EQ(Chosen(kernels, m), "gemm_q4_0_avx2_batch") << m;
  }
  for (const int64_t m : {8, 15}) EXPECT_FALSE(absl::StrContains(Chosen(kernels, m), "avx2")) << m;
  for (const KernelStatus& status : kernels.GemmReport()) {
    const bool measured = status.format == "Q4_0";
    EXPECT_EQ(status.chosen_by, !status.selected ? ""
                                : measured       ? "measured"
                                                 : "ranked")
        << status.kernel;
    EXPECT_EQ(status.selected, status.reason.empty()) << status.kernel;
  }
}

TEST_F(CalibrateTest, LeavesOutWhatThereIsNoTimeFor) {
  GemmKernels kernels = Kernels();
  int calls = 0;
  const size_t candidates = kernels.Candidates(PackedFormat::kQ4_0, kLayout, 1).size();
  ASSERT_GT(candidates, 1u);
  const MeasuredChoices choices = Calibrate(kernels, PackedFormat::kQ4_0, kLayout, Avx2Wins, [&] {
    return ++calls <= 4 * static_cast<int>(candidates);
  });
  ASSERT_EQ(choices.size(), 1u);
  EXPECT_EQ(choices.begin()->first.m, 1);
  kernels.Adopt(choices);
  EXPECT_EQ(Chosen(kernels, 1), "gemm_q4_0_avx2_decode");
  EXPECT_EQ(Chosen(kernels, 8), "gemm_q4_0_avx512vnni_batch");
}

TEST_F(CalibrateTest, TheOnlyCandidateNeedsNoTiming) {
  GemmKernels kernels = Kernels("reference");
  const auto never = [](const GemmKernel&, int64_t) -> double {
    ADD_FAILURE() << "nothing to compare";
    return 0;
  };
  const MeasuredChoices choices = Calibrate(kernels, PackedFormat::kQ4_0, kLayout, never, Always);
  EXPECT_EQ(choices.size(), std::size(kMeasuredM));
  EXPECT_EQ(choices.begin()->second, "gemm_q4_0_reference");
}

TEST_F(CalibrateTest, AKernelThatDisagreesIsNoCandidate) {
  GemmKernels kernels = Kernels("", "gemm_q4_0_avx2_batch");
  std::set<std::string> timed;
  const auto record = [&](const GemmKernel& kernel, int64_t m) {
    timed.insert(kernel.name);
    return Avx2Wins(kernel, m);
  };
  Calibrate(kernels, PackedFormat::kQ4_0, kLayout, record, Always);
  EXPECT_EQ(timed.count("gemm_q4_0_avx2_decode"), 1u);
  EXPECT_EQ(timed.count("gemm_q4_0_avx2_batch"), 0u);
  // Nor does a measurement made elsewhere bring it back.
  kernels.Adopt({{{PackedFormat::kQ4_0, kLayout, 8}, "gemm_q4_0_avx2_batch"},
                 {{PackedFormat::kQ4_0, kLayout, 1}, "gemm_q4_0_neon_decode"},
                 {{PackedFormat::kQ4_0, kLayout, 16}, "gemm_q8_0_avx2_batch"}});
  EXPECT_TRUE(kernels.measured().empty());
  EXPECT_EQ(Chosen(kernels, 8), "gemm_q4_0_avx512vnni_batch");
}

}  // namespace
}  // namespace quantd
