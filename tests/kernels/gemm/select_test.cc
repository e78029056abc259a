#include "kernels/gemm/select.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/base/hardware.h"
#include "kernels/gemm/activations.h"
#include "kernels/gemm/rows32.h"
#include "kernels/gemm/selfcheck.h"

namespace quantd {
namespace {

constexpr uint32_t kAll =
    IsaBit(Isa::kReference) | IsaBit(Isa::kAvx2) | IsaBit(Isa::kAvxVnni) | IsaBit(Isa::kAvx512Vnni);

std::string Chosen(const QuantFormat& format, int64_t m, const GemmConstraints& constraints) {
  const GemmKernel* const kernel =
      Select(GemmTable(), {*ToPackedFormat(format), WeightLayout::kRows32, m}, constraints).kernel;
  return kernel == nullptr ? "" : kernel->name;
}

GemmConstraints With(uint32_t isas, absl::string_view forced = "") {
  GemmConstraints constraints;
  constraints.isas = isas;
  constraints.forced_kernel = forced;
  return constraints;
}

#if defined(__x86_64__)
TEST(Select, TakesTheBestThatTheMachineRuns) {
  const uint32_t reference = IsaBit(Isa::kReference);
  const uint32_t avx2 = reference | IsaBit(Isa::kAvx2);
  EXPECT_EQ(Chosen(kQ4_0, 1, With(kAll)), "gemm_q4_0_avx512vnni_decode");
  EXPECT_EQ(Chosen(kQ4_0, 2, With(kAll)), "gemm_q4_0_avx512vnni_batch");
  EXPECT_EQ(Chosen(kQ4_0, 512, With(kAll)), "gemm_q4_0_avx512vnni_batch");
  EXPECT_EQ(Chosen(kQ6_K, 31, With(kAll)), "gemm_q6_k_avx512vnni_batch");
  EXPECT_EQ(Chosen(kQ6_K, 32, With(kAll)), "gemm_q6_k_avx512vnni_wide");
  EXPECT_EQ(Chosen(kQ4_K, 47, With(kAll)), "gemm_q4_k_avx512vnni_batch");
  EXPECT_EQ(Chosen(kQ4_K, 48, With(kAll)), "gemm_q4_k_avx512vnni_wide");
  EXPECT_EQ(Chosen(kQ8_0, 1, With(avx2 | IsaBit(Isa::kAvxVnni))), "gemm_q8_0_avxvnni_decode");
  EXPECT_EQ(Chosen(kF16, 1, With(avx2 | IsaBit(Isa::kAvxVnni))), "gemm_f16_avx2_decode");
  EXPECT_EQ(Chosen(kQ5_1, 3, With(avx2)), "gemm_q5_1_avx2_batch");
  EXPECT_EQ(Chosen(kQ5_1, 3, With(reference)), "gemm_q5_1_reference");
}

TEST(Select, OverrideMaskOfAnInstructionSet) {
  // A machine with everything, forced to avx512vnni: AVX-VNNI is not part of it.
  EXPECT_EQ(Info(Isa::kAvx512Vnni).includes & IsaBit(Isa::kAvxVnni), 0u);
  EXPECT_EQ(Chosen(kQ8_0, 1, With(kAll & Info(Isa::kAvxVnni).includes)),
            "gemm_q8_0_avxvnni_decode");
  EXPECT_EQ(Chosen(kF32, 1, With(kAll & Info(Isa::kAvxVnni).includes)), "gemm_f32_avx2_decode");
  EXPECT_EQ(Chosen(kF32, 9, With(kAll & Info(Isa::kReference).includes)), "gemm_f32_reference");
}

// A row must not depend on the batch, so all m of a format are rounded alike.
TEST(Select, OneArithmeticForAllRowsOfAFormat) {
  const uint32_t bf16 = kAll | IsaBit(Isa::kAvx512Bf16);
  const uint32_t amx = bf16 | IsaBit(Isa::kAmx);
  EXPECT_EQ(Chosen(kBF16, 1, With(bf16)), "gemm_bf16_avx512bf16_decode");
  EXPECT_EQ(Chosen(kBF16, 9, With(bf16)), "gemm_bf16_avx512bf16_batch");
  EXPECT_EQ(Chosen(kBF16, 1, With(amx)), "gemm_bf16_amx_decode");
  EXPECT_EQ(Chosen(kBF16, 99, With(amx)), "gemm_bf16_amx_batch");
  // F16 would lose bits: only when told to, and then at every m.
  EXPECT_EQ(Chosen(kF16, 9, With(amx)), "gemm_f16_avx512vnni_batch");
  const GemmConstraints forced = With(amx, "gemm_f16_avx512bf16_batch");
  EXPECT_EQ(Chosen(kF16, 9, forced), "gemm_f16_avx512bf16_batch");
  EXPECT_EQ(Chosen(kF16, 1, forced), "gemm_f16_avx512bf16_decode");
  EXPECT_EQ(ArithmeticFor(GemmTable(), PackedFormat::kF16, forced), Arithmetic::kBf16Pairs);
  GemmConstraints measured = With(amx);
  measured.measured[{PackedFormat::kBF16, WeightLayout::kRows32, 8}] = "gemm_bf16_avx2_batch";
  EXPECT_EQ(Chosen(kBF16, 8, measured), "gemm_bf16_amx_batch");
}

TEST(Select, ProductsOfBytesInTilesWhereMeasuredToBeFaster) {
  GemmConstraints constraints = With(kAll | IsaBit(Isa::kAvx512Bf16) | IsaBit(Isa::kAmx));
  EXPECT_EQ(Chosen(kQ8_0, 512, constraints), "gemm_q8_0_avx512vnni_batch");
  constraints.measured[{PackedFormat::kQ8_0, WeightLayout::kRows32, 48}] = "gemm_q8_0_amx_wide";
  EXPECT_EQ(Chosen(kQ8_0, 512, constraints), "gemm_q8_0_amx_wide");
  EXPECT_EQ(Chosen(kQ8_0, 32, constraints), "gemm_q8_0_avx512vnni_batch");
}

TEST(Select, ForcedKernelWhereItFitsElseTheBest) {
  const GemmConstraints forced = With(kAll, "gemm_q4_0_avx2_batch");
  EXPECT_EQ(Chosen(kQ4_0, 8, forced), "gemm_q4_0_avx2_batch");
  EXPECT_EQ(Chosen(kQ4_0, 1, forced), "gemm_q4_0_avx512vnni_decode");
  EXPECT_EQ(Chosen(kQ8_0, 8, forced), "gemm_q8_0_avx512vnni_batch");
}

TEST(Select, QuarantinedRowsGiveWayToTheNext) {
  GemmConstraints constraints = With(kAll);
  constraints.quarantined.assign(GemmTable().size(), false);
  for (size_t i = 0; i < GemmTable().size(); ++i) {
    if (GemmTable()[i].name == "gemm_q4_0_avx512vnni_batch") constraints.quarantined[i] = true;
  }
  EXPECT_EQ(Chosen(kQ4_0, 8, constraints), "gemm_q4_0_avxvnni_batch");
  EXPECT_EQ(Chosen(kQ4_0, 1, constraints), "gemm_q4_0_avx512vnni_decode");
}
#endif

TEST(Select, NothingWhereNothingMayRun) { EXPECT_EQ(Chosen(kQ4_0, 1, With(0)), ""); }

TEST(WhyNot, NamesWhatIsMissing) {
  GemmKernel kernel;
  kernel.isa = Isa::kAvx512Vnni;
  EXPECT_THAT(WhyNot(kernel, With(IsaBit(Isa::kReference)), false), testing::HasSubstr("VNNI"));
  EXPECT_EQ(WhyNot(kernel, With(kAll), false), "");
  EXPECT_THAT(WhyNot(kernel, With(kAll), true), testing::HasSubstr("reference"));
}

// The self-check must notice a kernel that is wrong only at one m, and a spoiled one.
GemmRun g_honest = nullptr;
void WrongAtFive(const GemmArgs& args) {
  g_honest(args);
  if (args.m == 5) args.y[4 * args.y_stride + args.rows - 1] += 1e-3f;
}

TEST(SelfCheck, FindsAWrongKernel) {
  for (const GemmKernel& kernel : GemmTable()) {
    if (kernel.isa != Isa::kReference) continue;
    EXPECT_TRUE(AgreesWithReference(kernel, false)) << kernel.name;
    EXPECT_FALSE(AgreesWithReference(kernel, true)) << kernel.name;
    GemmKernel wrong = kernel;
    g_honest = kernel.run;
    wrong.run = WrongAtFive;
    EXPECT_FALSE(AgreesWithReference(wrong, false)) << kernel.name;
  }
}

void WrongSum(const float* x, int64_t k, QuantizedBlock* blocks) {
  QuantizeRow(x, k, blocks);
  blocks[0].half_sums[15] += 1;
}

TEST(SelfCheck, FindsAWrongQuantizer) {
  for (const Quantizer& quantizer : Quantizers()) {
    if (!ProbeHardware().Supports(quantizer.isa)) continue;
    EXPECT_TRUE(AgreesWithReference(quantizer)) << Info(quantizer.isa).name;
  }
  EXPECT_FALSE(AgreesWithReference(Quantizer{Isa::kReference, WrongSum}));
}

}  // namespace
}  // namespace quantd
