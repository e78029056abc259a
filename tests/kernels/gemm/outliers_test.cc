// Activations that are multiplied in float: against products in doubles, and alone against in
// company.
#include "kernels/gemm/outliers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "kernels/gemm/rows32.h"
#include "tests/kernels/gemm/gemm_products.h"

namespace quantd {
namespace {

constexpr float kThreshold = 6;

PackedWeight Pack(const QuantTensor& t, const KernelSet& kernels, float threshold = kThreshold) {
  TensorSource source(t);
  source.Outliers(threshold);
  return Pack(source, kernels);
}

// Rows of small values with a few large ones each: the first and the last feature, and others.
std::vector<float> RowsWithOutliers(int64_t m, int64_t k) {
  std::vector<float> x = RandomFloats(m * k, 3);
  for (int64_t i = 0; i < m; ++i) {
    float* const row = &x[i * k];
    for (int64_t c = 0; c < k; ++c) row[c] = std::clamp(row[c], -5.5f, 5.5f);
    if (i % 4 == 3) continue;  // none
    row[0] = 100;
    row[k - 1] = -40;
    row[(31 * i + 7) % k] = 6;
    row[k / 2] = -6000;
  }
  return x;
}

TEST(FindOutliers, TakesWhatReachesTheThresholdAndIsFinite) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {1, -6, 5.999f, 6, inf, -inf, std::nanf(""), 3e38f, 0};
  std::vector<Outlier> outliers = {{3, 3}};
  std::vector<float> rest;
  FindOutliers(x.data(), 9, 6, &outliers, &rest);
  ASSERT_EQ(outliers.size(), 3u);
  EXPECT_EQ(outliers[0].k, 1);
  EXPECT_EQ(outliers[0].x, -6);
  EXPECT_EQ(outliers[1].k, 3);
  EXPECT_EQ(outliers[2].k, 7);
  std::vector<float> expected = x;
  for (const int k : {1, 3, 7}) expected[k] = 0;
  EXPECT_EQ(std::memcmp(rest.data(), expected.data(), 9 * sizeof(float)), 0);

  rest.clear();
  FindOutliers(x.data(), 1, 6, &outliers, &rest);
  EXPECT_TRUE(outliers.empty());
  EXPECT_TRUE(rest.empty());
}

TEST(DecodePackedColumn, IsTheColumnOfTheMatrix) {
  for (const int group : {0, 64}) {
    const int64_t k = group == 0 ? 300 : 320;
    const QuantTensor t = RandomTensor(AffineFormat(8, group, ZeroType::kMidpoint), 32, k, 4);
    const int span = PackedSpan(t.format);
    AlignedBuffer packed(Rows32Bytes(PackedFormat::kInt8, 32, k, span));
    PackRows32(PackedFormat::kInt8, t, 0, packed.as<uint8_t>());
    for (int64_t c = 0; c < k; ++c) {
      float column[kGroupRows];
      DecodePackedColumn(PackedFormat::kInt8, span, k, packed.as<uint8_t>(), c, column);
      for (int row = 0; row < kGroupRows; ++row) EXPECT_EQ(column[row], t.At(row, c)) << c;
    }
  }
}

// The product is that of the rest plus that of the outliers, under every instruction set, for all
// tails of m, n and k.
TEST(Outliers, AreMultipliedInFloat) {
  std::vector<std::unique_ptr<KernelSet>> all;
  for (const IsaInfo& isa : Isas()) {
    if (ProbeHardware().Supports(isa.isa)) all.push_back(Kernels(isa.name));
  }
  for (const auto& [n, k] :
       {std::pair<int64_t, int64_t>{1, 16}, {33, 300}, {70, 512}, {95, 1037}}) {
    const QuantTensor t = RandomTensor(kInt8, n, k, 5);
    const PackedWeight w = Pack(t, *all[0]), plain = Pack(t, *all[0], 0);
    for (const int64_t m : {1, 2, 7, 49}) {
      const std::vector<float> x = RowsWithOutliers(m, k);
      std::vector<float> rest = x;
      for (float& value : rest) value = std::fabs(value) < kThreshold ? value : 0;
      const std::vector<float> y = Multiply(*all[0], w, x);
      const std::vector<float> of_rest = Multiply(*all[0], plain, rest);
      for (int64_t i = 0; i < m * n; ++i) {
        double sum = of_rest[i], magnitude = std::fabs(sum);
        for (int64_t c = 0; c < k; ++c) {
          const float large = x[i / n * k + c];
          if (std::fabs(large) < kThreshold) continue;
          const double product = double{large} * t.At(i % n, c);
          sum += product;
          magnitude += std::fabs(product);
        }
        ASSERT_NEAR(y[i], sum, 1e-6 * magnitude) << n << " " << k << " " << m << " " << i;
      }
      for (const auto& kernels : all) {
        EXPECT_EQ(Multiply(*kernels, w, x), y) << kernels->forced().isa << " " << m;
      }
    }
  }
}

TEST(Outliers, OfARowDoNotDependOnItsBatchOrThreads) {
  const auto kernels = Kernels();
  const int64_t k = 512, n = 2100, m = 37;
  const PackedWeight w = Pack(RandomTensor(kInt8, n, k, 6), *kernels);
  const std::vector<float> x = RowsWithOutliers(m, k);
  const std::vector<float> together = Multiply(*kernels, w, x);
  for (const int threads : {2, 3}) EXPECT_EQ(Multiply(*kernels, w, x, threads), together);
  for (int64_t row = 0; row < m; ++row) {
    const std::vector<float> alone(x.begin() + row * k, x.begin() + (row + 1) * k);
    const std::vector<float> y = Multiply(*kernels, w, alone);
    EXPECT_EQ(std::memcmp(y.data(), &together[row * n], n * sizeof(float)), 0) << row;
  }
}

TEST(Outliers, NoneInTheRowsIsThePlainProduct) {
  const auto kernels = Kernels();
  const QuantTensor t = RandomTensor(kInt8, 40, 512, 7);
  std::vector<float> x = RandomFloats(6 * 512, 8);
  for (float& value : x) value = std::clamp(value, -5.5f, 5.5f);
  EXPECT_EQ(Multiply(*kernels, Pack(t, *kernels), x), Multiply(*kernels, Pack(t, *kernels, 0), x));
}

TEST(Outliers, WhatIsNotFiniteShowsInEveryOutputOfItsRow) {
  const auto kernels = Kernels();
  QuantTensor t = RandomTensor(kInt8, 40, 300, 7);
  std::fill(t.codes.begin(), t.codes.begin() + 300, uint8_t{128});  // zeros
  const PackedWeight w = Pack(t, *kernels);
  std::vector<float> x = RowsWithOutliers(2, 300);
  x[5] = std::numeric_limits<float>::infinity();
  const std::vector<float> y = Multiply(*kernels, w, x);
  for (int i = 0; i < 40; ++i) {
    EXPECT_TRUE(std::isnan(y[i])) << i;
    EXPECT_TRUE(std::isfinite(y[40 + i])) << i;
  }
}

// Several weights read one input, each with the threshold that it has, one of them in an order of
// its own; and as the experts of a mixture.
TEST(Outliers, WeightsThatShareInputsKeepTheirThresholds) {
  const auto kernels = Kernels();
  const int64_t k = 256, n = 35, m = 9;
  const QuantTensor t = RandomTensor(kInt8, n, k, 9);
  std::vector<PackedWeight> weights;
  for (const float threshold : {6.0f, 0.0f, 50.0f, 6.0f}) {
    weights.push_back(Pack(t, *kernels, threshold));
  }
  weights.push_back(Pack(RandomTensor(kQ8_0, n, k, 9), *kernels, 0));
  std::vector<int32_t>& order = weights[3].k_order;
  order.resize(k);
  std::iota(order.begin(), order.end(), 0);
  std::rotate(order.begin(), order.begin() + 10, order.end());

  const std::vector<float> x = RowsWithOutliers(m, k);
  for (const bool grouped : {false, true}) {
    ThreadPool pool(2);
    Activations a;
    a.Set(x.data(), m, k, k);
    std::vector<std::vector<float>> y(weights.size(), std::vector<float>(m * n));
    std::vector<GemmOutput> outputs;
    std::vector<GemmGroup> groups;
    for (size_t i = 0; i < weights.size(); ++i) {
      outputs.push_back({&weights[i], y[i].data(), n});
      groups.push_back({&weights[i], 2, m - 2, y[i].data() + 2 * n, n});
    }
    if (grouped) {
      RunGroupedGemm(*kernels, a, groups, pool);
    } else {
      RunGemm(*kernels, a, outputs, pool);
    }
    const int64_t first = grouped ? 2 * n : 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      const std::vector<float> alone = Multiply(*kernels, weights[i], x);
      EXPECT_EQ(std::memcmp(&y[i][first], &alone[first], (m * n - first) * sizeof(float)), 0) << i;
      for (size_t j = 0; j < i; ++j) EXPECT_NE(y[i], y[j]);
    }
  }
}

}  // namespace
}  // namespace quantd
