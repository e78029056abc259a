#include "kernels/gemm/naive.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/gemm/rows32.h"
#include "tests/kernels/gemm/gemm_products.h"

namespace quantd {
namespace {

std::vector<float> MultiplyNaively(const KernelSet& kernels, const PackedWeight& w,
                                   const std::vector<float>& x, int threads) {
  return MultiplyBy(RunNaiveGemm, kernels, w, x, threads);
}

// A K with a tail, as far as the format has one.
int64_t TestedK(const QuantFormat& format) {
  return format.group == 0 ? 301 : 256 + format.k_multiple();
}

// Against doubles from QuantTensor::At: no activation is rounded on the way.
TEST(RunNaiveGemm, MatchesDoublesForEveryFormatInstructionSetAndThreadCount) {
  std::vector<std::unique_ptr<KernelSet>> sets;
  for (const IsaInfo& isa : Isas()) {
    if (ProbeHardware().Supports(isa.isa)) sets.push_back(Kernels(isa.name));
  }
  for (const PackedEntry& entry : PackedEntries()) {
    const int64_t n = 85, m = 3, k = TestedK(entry.example);
    const QuantTensor t = RandomTensor(entry.example, n, k, 1);
    const std::vector<float> x = RandomFloats(m * k, 2);
    std::vector<float> first;
    for (const auto& kernels : sets) {
      const PackedWeight w = Pack(TensorSource(t), *kernels);
      const std::vector<float> y = MultiplyNaively(*kernels, w, x, 1);
      EXPECT_EQ(MultiplyNaively(*kernels, w, x, 3), y);
      if (first.empty()) first = y;
      EXPECT_EQ(y, first) << kernels->forced().isa;
    }
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t r = 0; r < n; ++r) {
        double sum = 0, magnitude = 0;
        for (int64_t c = 0; c < k; ++c) {
          sum += double{t.At(r, c)} * x[i * k + c];
          magnitude += std::abs(double{t.At(r, c)} * x[i * k + c]);
        }
        ASSERT_NEAR(first[i * n + r], sum, 2e-6 * magnitude) << entry.name << " row " << r;
      }
    }
  }
}

TEST(RunNaiveGemm, TakesSeveralWeightsStridesAndAnOrderOfFeatures) {
  const auto kernels = Kernels();
  const int64_t k = 256, m = 2;
  const QuantTensor t = RandomTensor(kQ4_0, 40, k, 1);
  TensorSource ordered(t);
  std::vector<int32_t> order(k);
  for (int32_t c = 0; c < k; ++c) order[c] = static_cast<int32_t>(k) - 1 - c;
  ordered.Order(order);
  const PackedWeight plain = Pack(TensorSource(t), *kernels), mirrored = Pack(ordered, *kernels);
  const std::vector<float> x = RandomFloats(m * k, 2);
  std::vector<float> reversed;
  for (int64_t i = 0; i < m; ++i) {
    std::reverse_copy(x.begin() + i * k, x.begin() + (i + 1) * k, std::back_inserter(reversed));
  }
  ThreadPool pool(2);
  std::vector<float> y(m * 40), z(m * 43, -7.0f);
  Activations a;
  a.Set(x.data(), m, k, k);
  const GemmOutput outputs[] = {{&plain, y.data(), 40}, {&mirrored, z.data(), 43}};
  RunNaiveGemm(*kernels, a, outputs, pool);
  EXPECT_EQ(y, MultiplyNaively(*kernels, plain, x, 1));
  const std::vector<float> expected = MultiplyNaively(*kernels, plain, reversed, 1);
  for (int64_t i = 0; i < m; ++i) {
    EXPECT_TRUE(std::equal(&z[43 * i], &z[43 * i + 40], &expected[40 * i]));
    for (int64_t c = 40; c < 43; ++c) EXPECT_EQ(z[43 * i + c], -7.0f);
  }
  a.Set(nullptr, 0, k, k);
  RunNaiveGemm(*kernels, a, outputs, pool);
}

// Every expander gives the values of DecodePackedRow, whatever the bytes.
TEST(Expanders, AgreeWithTheScalarDecoderOnAnyBytes) {
  for (const PackedEntry& entry : PackedEntries()) {
    const int64_t k = TestedK(entry.example);
    const int span = PackedSpan(entry.example);
    std::vector<uint8_t> group(Rows32GroupBytes(entry.packed, k, span));
    Noise noise;
    for (uint8_t& byte : group) byte = static_cast<uint8_t>(noise.Bits());
    std::vector<float> row(k), out(k * kGroupRows);
    for (const Expander& expander : Expanders()) {
      if (!ProbeHardware().Supports(expander.isa)) continue;
      expander.run(MakeExpandArgs(entry.packed, span, k, group.data(), out.data()));
      for (int r = 0; r < kGroupRows; ++r) {
        DecodePackedRow(entry.packed, span, k, group.data(), r, row.data());
        for (int64_t c = 0; c < k; ++c) {
          const float value = out[c * kGroupRows + r];
          ASSERT_TRUE(value == row[c] || (std::isnan(value) && std::isnan(row[c])))
              << entry.name << " " << Info(expander.isa).name << " row " << r << " k " << c << ": "
              << value << " for " << row[c];
        }
      }
    }
  }
}

TEST(Expanders, TheLastRunsEverywhere) { EXPECT_EQ(Expanders().back().isa, Isa::kReference); }

}  // namespace
}  // namespace quantd
