#include "kernels/gemm/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "kernels/gemm/kernel_table.h"
#include "kernels/gemm/rows32.h"
#include "tests/kernels/gemm/gemm_products.h"

namespace quantd {
namespace {

PackedWeight Pack(const QuantTensor& t, const KernelSet& kernels) {
  return Pack(TensorSource(t), kernels);
}

TEST(RunGemm, SameBitsForAnyThreadCountAndInstructionSet) {
  const auto kernels = Kernels();
  std::vector<std::unique_ptr<KernelSet>> others;
  for (const IsaInfo& isa : Isas()) {
    if (ProbeHardware().Supports(isa.isa)) others.push_back(Kernels(isa.name));
  }
  for (const NamedFormat& named : NamedFormats()) {
    const QuantTensor t = RandomTensor(named.format, 203, 512, 1);
    const PackedWeight w = Pack(t, *kernels);
    for (const int64_t m : {1, 5, 33}) {
      const std::vector<float> x = RandomFloats(m * 512, 2);
      const std::vector<float> one = Multiply(*kernels, w, x, 1);
      for (const int threads : {2, 3, 7}) EXPECT_EQ(Multiply(*kernels, w, x, threads), one);
      for (const auto& other : others) {
        const GemmKernel& best = *kernels->SelectGemm(named.format, w.layout, m);
        const GemmKernel& its = *other->SelectGemm(named.format, w.layout, m);
        if (its.arithmetic != best.arithmetic) continue;  // BF16 units
        EXPECT_EQ(Multiply(*other, w, x, 2), one) << named.name << " " << other->forced().isa;
      }
    }
  }
}

TEST(RunGemm, FusedOutputsEqualSeparateOnesAndRespectStrides) {
  const auto kernels = Kernels();
  const int64_t k = 256, m = 6, stride = 320;
  const QuantTensor tensors[] = {RandomTensor(kQ4_0, 256, k, 1), RandomTensor(kQ6_K, 33, k, 2),
                                 RandomTensor(kF16, 17, k, 3), RandomTensor(kQ8_0, 1, k, 4)};
  std::vector<PackedWeight> weights;
  for (const QuantTensor& t : tensors) weights.push_back(Pack(t, *kernels));
  std::vector<float> x = RandomFloats(m * stride, 5), compact;
  for (int64_t i = 0; i < m; ++i) {
    compact.insert(compact.end(), x.begin() + i * stride, x.begin() + i * stride + k);
  }
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    std::vector<std::vector<float>> y;
    std::vector<GemmOutput> outputs;
    for (const PackedWeight& w : weights) y.emplace_back(m * (w.n + 2), -7.0f);
    for (size_t i = 0; i < weights.size(); ++i) {
      outputs.push_back({&weights[i], y[i].data(), weights[i].n + 2});
    }
    Activations a;
    a.Set(x.data(), m, k, stride);
    RunGemm(*kernels, a, outputs, pool);
    for (size_t i = 0; i < weights.size(); ++i) {
      const std::vector<float> alone = Multiply(*kernels, weights[i], compact, 1);
      const int64_t n = weights[i].n;
      for (int64_t row = 0; row < m; ++row) {
        EXPECT_EQ(0, memcmp(&y[i][row * (n + 2)], &alone[row * n], n * sizeof(float)));
        EXPECT_EQ(y[i][row * (n + 2) + n], -7.0f);
        EXPECT_EQ(y[i][row * (n + 2) + n + 1], -7.0f);
      }
    }
  }
}

// What rounding the activations may cost, relative to the product.
double ErrorOf(const GemmKernel& kernel) {
  switch (kernel.activations) {
    case ActivationType::kInt8:
      return 1.2e-2;  // 8 bits, of a sub-block's power of two: up to a bit less
    case ActivationType::kBF16:
      return 3e-3;  // 8 bits of mantissa
    case ActivationType::kF32:
      break;
  }
  return 1e-6;
}

TEST(RunGemm, QuantizedProductIsCloseToTheFloatOne) {
  const auto kernels = Kernels();
  const int64_t k = 1024, n = 64;
  const std::vector<float> x = RandomFloats(k, 2);
  for (const NamedFormat& named : NamedFormats()) {
    const QuantTensor t = RandomTensor(named.format, n, k, 1);
    const std::vector<float> y = Multiply(*kernels, Pack(t, *kernels), x, 2);
    double error = 0, total = 0;
    for (int64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < k; ++j) sum += double{t.At(i, j)} * x[j];
      error += (y[i] - sum) * (y[i] - sum);
      total += sum * sum;
    }
    EXPECT_LT(std::sqrt(error / total), ErrorOf(*kernels->SelectGemm(t.format, {}, 1)))
        << named.name;
  }
}

TEST(RunGemm, CountsOperationsBytesAndTime) {
  const auto kernels = Kernels();
  const PackedWeight w = Pack(RandomTensor(kQ4_0, 64, 256, 1), *kernels);
  Multiply(*kernels, w, RandomFloats(3 * 256, 1), 1);
  const std::string name = Describe(*kernels->SelectGemm(kQ4_0, w.layout, 3)).name;
  for (const KernelCounters& c : kernels->Counters()) {
    EXPECT_EQ(c.ops, c.kernel == name ? 2u * 3 * 64 * 256 : 0u) << c.kernel;
    EXPECT_EQ(c.bytes, c.kernel == name ? static_cast<uint64_t>(w.bytes()) : 0u);
    EXPECT_EQ(c.seconds > 0, c.kernel == name);
  }
}

TEST(RunGroupedGemm, EachRangeOfRowsHasItsOwnWeight) {
  const auto kernels = Kernels();
  const int64_t k = 256, n = 70, m = 41;
  std::vector<PackedWeight> weights;
  for (const QuantFormat& format : {kQ4_0, kF32, kQ6_K, kQ4_0}) {
    weights.push_back(Pack(RandomTensor(format, n, k, weights.size() + 1), *kernels));
  }
  for (const size_t reordered : {1, 3}) {  // each with an order of its own
    std::vector<int32_t>& order = weights[reordered].k_order;
    order.resize(k);
    std::iota(order.begin(), order.end(), 0);
    std::rotate(order.begin(), order.begin() + 10 + static_cast<int>(reordered), order.end());
  }
  const std::vector<float> x = RandomFloats(m * k, 5);
  // One row, several, one again by another kernel, and all that are left; row 7 is nobody's.
  const std::pair<int64_t, int64_t> ranges[] = {{0, 1}, {1, 6}, {8, 1}, {9, 32}};
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    std::vector<float> y(m * (n + 3), -7.0f);
    std::vector<GemmGroup> groups;
    for (size_t i = 0; i < weights.size(); ++i) {
      const auto [first, rows] = ranges[i];
      groups.push_back({&weights[i], first, rows, y.data() + first * (n + 3), n + 3});
    }
    Activations a;
    a.Set(x.data(), m, k, k);
    RunGroupedGemm(*kernels, a, groups, pool);
    for (size_t i = 0; i < weights.size(); ++i) {
      const auto [first, rows] = ranges[i];
      const std::vector<float> own(x.begin() + first * k, x.begin() + (first + rows) * k);
      const std::vector<float> alone = Multiply(*kernels, weights[i], own, 1);
      for (int64_t row = 0; row < rows; ++row) {
        const float* const got = y.data() + (first + row) * (n + 3);
        EXPECT_EQ(std::memcmp(got, &alone[row * n], n * sizeof(float)), 0) << i << " " << row;
        EXPECT_EQ(got[n], -7.0f);
      }
    }
    EXPECT_EQ(y[7 * (n + 3)], -7.0f);
  }
}

TEST(RunGroupedGemm, NoGroupsIsNoWork) {
  ThreadPool pool(2);
  Activations a;
  RunGroupedGemm(*Kernels(), a, {}, pool);
}

TEST(RunGemm, NoRowsIsNoWork) {
  const auto kernels = Kernels();
  const PackedWeight w = Pack(RandomTensor(kF32, 16, 8, 1), *kernels);
  ThreadPool pool(2);
  Activations a;
  a.Set(nullptr, 0, 8, 8);
  const GemmOutput output{&w, nullptr, 16};
  RunGemm(*kernels, a, {&output, 1}, pool);
  RunGemm(*kernels, a, {}, pool);
}

}  // namespace
}  // namespace quantd
