#include "runtime/model/llama3_scaling.h"

#include <vector>

#include "gtest/gtest.h"

namespace quantd {
namespace {

struct Case {
  Llama3Scaling scaling;
  float base;
  int32_t dim;
};

/// Scalings are known by their factors alone: those that come back have the same, bit by bit.
TEST(Llama3ScalingTest, IsFoundByItsFactors) {
  const Case cases[] = {
      {{8, 1, 4, 8192}, 500000, 128},  // Llama 3.1
      {{32, 1, 4, 8192},
       500000,
       64},  // Llama 3.2 {{4, 1, 4, 64}, 10000, 16},  // two pairs in between
      {{4, 1, 8, 4096}, 10000, 128},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.scaling.factor);
    const std::vector<float> factors = Llama3Factors(c.scaling, c.base, c.dim);
    const auto found = FindLlama3Scaling(factors, c.base);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->factor, c.scaling.factor);
    EXPECT_EQ(found->low, c.scaling.low);
    EXPECT_EQ(found->high, c.scaling.high);
    EXPECT_EQ(found->original_context, c.scaling.original_context);
  }
}

/// Several scalings compute the same; any of them will do.
TEST(Llama3ScalingTest, OnesThatComputeTheSameWillDo) {
  const Case cases[] = {
      {{8, 2, 8, 16384}, 500000, 128},  // as Llama 3.1
      {{8, 1.5f, 4, 8192}, 500000, 128},
      {{16, 1, 1.5f, 8192}, 500000, 128},  // one pair in between
      {{4, 1, 4, 8192}, 10000, 8},         // few pairs, one of them in between
      {{4, 1, 1.01f, 700}, 10000, 8},      // none in between
      {{8, 3000, 4000, 8192}, 10000, 32},  // all are slowed down
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.scaling.original_context);
    const std::vector<float> factors = Llama3Factors(c.scaling, c.base, c.dim);
    const auto found = FindLlama3Scaling(factors, c.base);
    ASSERT_TRUE(found.has_value());
    const std::vector<float> again = Llama3Factors(*found, c.base, c.dim);
    for (size_t i = 0; i < factors.size(); ++i) EXPECT_NEAR(again[i] / factors[i], 1, 1e-5) << i;
  }
}

TEST(Llama3ScalingTest, FactorsComputedInFloatAreRounded) {
  std::vector<float> factors = Llama3Factors({8, 1, 4, 8192}, 500000, 128);
  for (size_t i = 0; i < factors.size(); i += 2) {
    if (factors[i] > 1 && factors[i] < 8) factors[i] *= 1 + 1e-6f;
  }
  const auto found = FindLlama3Scaling(factors, 500000);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->high, 4);
  EXPECT_EQ(found->original_context, 8192);
}

TEST(Llama3ScalingTest, OtherFactorsAreNone) {
  const std::vector<float> shapes[] = {
      {}, {2}, {1, 1, 1, 1}, {1, 1.5f, 1, 2}, {4, 3, 2, 1}, {1, 1.2f, 1.3f, 1.4f, 1.5f, 9}};
  for (const std::vector<float>& factors : shapes) {
    EXPECT_FALSE(FindLlama3Scaling(factors, 10000).has_value()) << factors.size();
  }
}

}  // namespace
}  // namespace quantd
