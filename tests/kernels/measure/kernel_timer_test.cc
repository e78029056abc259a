#include "kernels/measure/kernel_timer.h"

#include <gtest/gtest.h>

#include "kernels/gemm/rows32.h"

namespace quantd {
namespace {

GemmKernels Kernels() { return std::move(GemmKernels::Create(ProbeHardware(), {})).value(); }

TEST(KernelTimer, TimesWholeWeightsUntilEnoughIsReadOrMultiplied) {
  const GemmKernels kernels = Kernels();
  ThreadPool pool(2);
  const PackedWeight a = NoiseWeight(kQ4_0, 256, 512), b = NoiseWeight(kQ4_0, 64, 1024);
  const PackedWeight* const weights[] = {&a, &b};
  KernelTimer all(weights, kernels, pool, {1 << 30, 1 << 30, 1, true});
  for (const int64_t m : {1, 5}) {
    const GemmKernel& kernel = *kernels.SelectGemm(kQ4_0, WeightLayout::kRows32, m);
    const double ops = 2.0 * static_cast<double>(m * (256 * 512 + 64 * 1024));
    for (const Timing& timing : {all.Run(kernel, m), all.RunNaive(m)}) {
      EXPECT_EQ(timing.bytes, static_cast<double>(a.bytes() + b.bytes()));
      EXPECT_EQ(timing.ops, ops);
      EXPECT_GT(timing.seconds, 0);
    }
  }
  const GemmKernel& decode = *kernels.SelectGemm(kQ4_0, WeightLayout::kRows32, 1);
  KernelTimer few_bytes(weights, kernels, pool, {1, 1 << 30, 1, true});
  EXPECT_EQ(few_bytes.Run(decode, 1).bytes, static_cast<double>(a.bytes()));
  KernelTimer few_macs(weights, kernels, pool, {1 << 30, 1, 1, true});
  EXPECT_EQ(few_macs.Run(decode, 1).bytes, static_cast<double>(a.bytes()));
}

TEST(KernelTimer, TakesSlicesOfLargeWeights) {
  const GemmKernels kernels = Kernels();
  ThreadPool pool(1);
  const PackedWeight w = NoiseWeight(kF32, 4096, 64);
  const PackedWeight* const weights[] = {&w};
  KernelTimer timer(weights, kernels, pool, {w.bytes(), 1 << 30, 1, false});
  const GemmKernel& decode = *kernels.SelectGemm(kF32, WeightLayout::kRows32, 1);
  EXPECT_EQ(timer.Run(decode, 1).bytes, static_cast<double>(w.bytes()) / 4);
}

TEST(NoiseWeight, IsAPackedWeightOfEveryFormat) {
  for (const PackedEntry& entry : PackedEntries()) {
    const PackedWeight w = NoiseWeight(entry.example, 65, 256);
    EXPECT_EQ(w.bytes(), Rows32Bytes(entry.packed, 65, 256, PackedSpan(entry.example)));
    std::vector<float> first(256), again(256);
    DecodeRow(w, 3, first.data());
    DecodeRow(w, 32 + 3, again.data());
    EXPECT_EQ(first, again) << entry.name;
  }
}

}  // namespace
}  // namespace quantd
