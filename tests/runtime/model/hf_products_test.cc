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
#include "tests/runtime/formats/hf_model_builder.h"

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

/// Root mean square of the differences from what doubles give, as a share of that of the results.
double RelativeError(const std::vector<double>& exact, const std::vector<float>& results) {
  double error = 0, size = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    error += (exact[i] - results[i]) * (exact[i] - results[i]);
    size += exact[i] * exact[i];
  }
  return std::sqrt(error / size);
}

/// x[k] rounded to 8 bits with one scale, but elements of at least `outlier` in magnitude.
std::vector<float> RoundedRow(const std::vector<float>& x, float outlier) {
  float largest = 0;
  for (const float value : x) {
    if (std::fabs(value) < outlier) largest = std::max(largest, std::fabs(value));
  }
  const float scale = largest / 127;
  std::vector<float> rounded = x;
  for (float& value : rounded) {
    if (std::fabs(value) < outlier) value = std::nearbyint(value / scale) * scale;
  }
  return rounded;
}

/// What LLM.int8() multiplies in float so that it does not spoil the one scale of a row spoils a
/// block of 32 here.
TEST(LlmInt8, OutliersSpoilTheirBlocksOnly) {
  constexpr int64_t kN = 64, kK = 2048;
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::string codes;
  for (int64_t i = 0; i < kN * kK; ++i) {
    codes += static_cast<char>(std::clamp(std::lround(32 * normal(random)), -127l, 127l));
  }
  const auto model = HfModelBuilder(R"({"quant_method": "bitsandbytes", "load_in_8bit": true})")
                         .Set("m.weight", "I8", {kN, kK}, codes)
                         .Set("m.SCB", "F32", {kN}, std::vector<float>(kN, 1))
                         .Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  const auto kernels = KernelSet::Create(ProbeHardware(), {});
  ASSERT_TRUE(kernels.ok()) << kernels.status();
  ThreadPool pool(1);
  const auto packed = PackWeight(*weight->source, **kernels, pool);
  ASSERT_TRUE(packed.ok()) << packed.status();

  std::vector<float> x(kK), y(kN);
  for (float& value : x) value = normal(random);
  for (const int64_t column : {100, 700, 1500}) x[column] = 60;
  Activations activations;
  activations.Set(x.data(), 1, kK, kK);
  const GemmOutput output{&*packed, y.data(), kN};
  RunGemm(**kernels, activations, {&output, 1}, pool);
  const auto product = [&](const std::vector<float>& input) {
    std::vector<double> sums(kN, 0);
    for (int64_t i = 0; i < kN * kK; ++i) {
      sums[i / kK] += static_cast<int8_t>(codes[i]) / 127.0 * input[i % kK];
    }
    return sums;
  };
  const auto as_floats = [](const std::vector<double>& v) {
    return std::vector<float>(v.begin(), v.end());
  };
  const std::vector<double> exact = product(x);
  const double ours = RelativeError(exact, y);
  EXPECT_LT(ours, 2e-2);
  EXPECT_LT(ours, RelativeError(exact, as_floats(product(RoundedRow(x, 1000)))) / 3);
}

}  // namespace
}  // namespace quantd
