// Weights of Hugging Face checkpoints through the kernels: products with the packed weight against
// products with what the library that wrote the checkpoint makes of it.

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/base/hardware.h"
#include "kernels/kernel_set.h"
#include "tests/runtime/formats/hf_golden.h"

namespace quantd {
namespace {

class HfProductsTest : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    auto kernels = KernelSet::Create(ProbeHardware(), {});
    ASSERT_TRUE(kernels.ok()) << kernels.status();
    kernels_ = std::move(kernels)->release();
  }
  static void TearDownTestSuite() {
    delete kernels_;
    kernels_ = nullptr;
  }
  static KernelSet* kernels_;  // one for all cases: its self-check takes longer than they
};
KernelSet* HfProductsTest::kernels_ = nullptr;

TEST_P(HfProductsTest, AreThoseOfTheOriginalLibrary) {
  const auto golden = HfGolden::Load(GetParam());
  ASSERT_TRUE(golden.ok()) << golden.status();
  ThreadPool pool(1);
  const auto packed = PackWeight(*golden->weight.source, *kernels_, pool);
  ASSERT_TRUE(packed.ok()) << packed.status();

  const int64_t n = golden->shape[0], k = golden->shape[1];
  std::mt19937 random(17);
  std::normal_distribution<float> normal;
  for (const int64_t m : {1, 5}) {
    std::vector<float> x(m * k), y(m * n);
    for (float& value : x) value = normal(random);
    Activations activations;
    activations.Set(x.data(), m, k, k);
    const GemmOutput output{&*packed, y.data(), n};
    RunGemm(*kernels_, activations, {&output, 1}, pool);
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < m * n; ++i) {
      double sum = 0;
      for (int64_t c = 0; c < k; ++c) {
        sum += double{golden->expected[i % n * k + c]} * x[i / n * k + c];
      }
      largest = std::max(largest, std::fabs(sum));
      worst = std::max(worst, std::fabs(sum - y[i]));
    }
    EXPECT_LE(worst, 2e-2 * largest)
        << "activations are rounded to 8 bits, nothing else is; m " << m;
  }
}

INSTANTIATE_TEST_SUITE_P(All, HfProductsTest, ::testing::ValuesIn(HfGolden::Names()),
                         HfGolden::TestName);

}  // namespace
}  // namespace quantd
