#include "runtime/quantize/inverse_factor.h"

#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace quantd {
namespace {

/// A A^T + I: positive definite.
std::vector<double> SomeMatrix(int64_t n) {
  std::mt19937 random(static_cast<unsigned>(n));
  std::normal_distribution<double> normal;
  std::vector<double> a(n * n), h(n * n);
  for (double& value : a) value = normal(random);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t p = 0; p < n; ++p) h[i * n + j] += a[i * n + p] * a[j * n + p] / n;
    }
    h[i * n + i] += 1;
  }
  return h;
}

// Sizes below, at and beyond a panel and a tile.
TEST(InverseFactor, GivesTheInverse) {
  for (const int64_t n : {1, 3, 32, 64, 65, 150}) {
    const std::vector<double> h = SomeMatrix(n);
    ThreadPool pool(3);
    const auto u = InverseFactor(h, n, pool);
    ASSERT_TRUE(u.ok()) << u.status();
    std::vector<double> inverse(n * n);
    for (int64_t p = 0; p < n; ++p) {
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_TRUE(i >= p || (*u)[p * n + i] == 0) << "below the diagonal";
        for (int64_t j = 0; j < n; ++j) {
          inverse[i * n + j] += double{(*u)[p * n + i]} * (*u)[p * n + j];
        }
      }
    }
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double product = 0;
        for (int64_t p = 0; p < n; ++p) product += inverse[i * n + p] * h[p * n + j];
        EXPECT_NEAR(product, i == j ? 1 : 0, 1e-5) << n << ": " << i << ", " << j;
      }
    }
  }
}

TEST(InverseFactor, DoesNotDependOnTheThreads) {
  ThreadPool one(1), four(4);
  EXPECT_EQ(*InverseFactor(SomeMatrix(130), 130, one), *InverseFactor(SomeMatrix(130), 130, four));
}

TEST(InverseFactor, RefusesWhatIsNotPositiveDefinite) {
  ThreadPool pool(1);
  EXPECT_EQ(InverseFactor({1, 2, 2, 1}, 2, pool).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(InverseFactor({std::nan("")}, 1, pool).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace quantd
