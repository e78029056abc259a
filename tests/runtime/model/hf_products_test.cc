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

/// y [m, n] = x [m, k] times the weight.
std::vector<float> Multiply(const KernelSet& kernels, const WeightSource& weight,
                            const std::vector<float>& x) {
  ThreadPool pool(1);
  const auto packed = PackWeight(weight, kernels, pool);
  EXPECT_TRUE(packed.ok()) << packed.status();
  const int64_t m = static_cast<int64_t>(x.size()) / packed->k;
  std::vector<float> y(m * packed->n);
  Activations activations;
  activations.Set(x.data(), m, packed->k, packed->k);
  const GemmOutput output{&*packed, y.data(), packed->n};
  RunGemm(kernels, activations, {&output, 1}, pool);
  return y;
}

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
  const int64_t n = golden->shape[0], k = golden->shape[1];
  std::mt19937 random(17);
  std::normal_distribution<float> normal;
  for (const int64_t m : {1, 5}) {
    std::vector<float> x(m * k);
    for (float& value : x) value = normal(random);
    const std::vector<float> y = Multiply(*kernels_, *golden->weight.source, x);
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

/// Root mean square of the differences from what is exact, as a share of that of the results.
template <typename T>
double RelativeError(absl::Span<const T> exact, absl::Span<const float> results) {
  double error = 0, size = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double difference = double{exact[i]} - results[i];
    error += difference * difference;
    size += double{exact[i]} * exact[i];
  }
  return std::sqrt(error / size);
}

class LlmInt8Test : public ::testing::Test {
 protected:
  void SetUp() override {
    auto kernels = KernelSet::Create(ProbeHardware(), {});
    ASSERT_TRUE(kernels.ok()) << kernels.status();
    kernels_ = *std::move(kernels);
  }
  std::unique_ptr<KernelSet> kernels_;
};

// bitsandbytes multiplies in float what is an outlier in any row of its batch, quantd what is one
// in the row, as bitsandbytes with a batch of one.
TEST_F(LlmInt8Test, GivesWhatBitsandbytesDoes) {
  const auto golden = HfGolden::Load("bnb-int8-outliers");
  ASSERT_TRUE(golden.ok()) << golden.status();
  const auto file =
      SafetensorsFile::Open(SourcePath("tests/golden/hf/bnb-int8-outliers/expected.safetensors"));
  ASSERT_TRUE(file.ok()) << file.status();
  const auto read = [&](const char* name) {
    const SafetensorsTensor* const tensor = (*file)->FindTensor(name);
    EXPECT_NE(tensor, nullptr) << name;
    return ReadFloats(*tensor).value();
  };
  const std::vector<float> x = read("x"), alone = read("y"), together = read("y_together");
  const std::vector<float> y = Multiply(*kernels_, *golden->weight.source, x);
  const int64_t n = golden->shape[0], m = static_cast<int64_t>(y.size()) / n;
  for (int64_t row = 0; row < m; ++row) {
    const auto of = [&](const std::vector<float>& rows) {
      return absl::MakeConstSpan(rows).subspan(row * n, n);
    };
    // Rounding the others to 8 bits is all that differs; large outliers make it a small share.
    const double limit = row < 4 ? 2e-3 : row == 4 ? 4e-3 : 1.2e-2;
    EXPECT_LT(RelativeError(of(alone), of(y)), limit) << row;
    EXPECT_LT(RelativeError(of(together), of(y)), limit) << row;
  }
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

/// Of random weights with the threshold given, and three inputs of 60: the error, and how large it
/// would be with one scale for the row and its outliers apart, or among the others.
struct OutlierErrors {
  double ours, apart, among;
};
OutlierErrors Measure(const KernelSet& kernels, const std::string& threshold) {
  constexpr int64_t kN = 64, kK = 2048;
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::string codes;
  for (int64_t i = 0; i < kN * kK; ++i) {
    codes += static_cast<char>(std::clamp(std::lround(32 * normal(random)), -127l, 127l));
  }
  const auto model =
      HfModelBuilder(R"({"quant_method": "bitsandbytes", "load_in_8bit": true)" + threshold + "}")
          .Set("m.weight", "I8", {kN, kK}, codes)
          .Set("m.SCB", "F32", {kN}, std::vector<float>(kN, 1))
          .Build();
  const auto weight = OpenHfWeight(model->Module("m"));
  EXPECT_TRUE(weight.ok()) << weight.status();

  std::vector<float> x(kK);
  for (float& value : x) value = normal(random);
  for (const int64_t column : {100, 700, 1500}) x[column] = 60;
  const std::vector<float> y = Multiply(kernels, *weight->source, x);
  const auto product = [&](const std::vector<float>& input) {
    std::vector<double> sums(kN, 0);
    for (int64_t i = 0; i < kN * kK; ++i) {
      sums[i / kK] += static_cast<int8_t>(codes[i]) / 127.0 * input[i % kK];
    }
    return sums;
  };
  const std::vector<double> exact = product(x);
  const auto error_of = [&](const std::vector<double>& sums) {
    return RelativeError<double>(exact, std::vector<float>(sums.begin(), sums.end()));
  };
  return {RelativeError<double>(exact, y), error_of(product(RoundedRow(x, 6))),
          error_of(product(RoundedRow(x, 1000)))};
}

TEST_F(LlmInt8Test, OutliersSpoilNothing) {
  for (const char* threshold : {"", R"(, "llm_int8_threshold": 20)"}) {
    const OutlierErrors errors = Measure(*kernels_, threshold);
    EXPECT_LT(errors.ours, errors.apart) << threshold;
    EXPECT_LT(errors.apart, errors.among / 5);
  }
}

TEST_F(LlmInt8Test, WithoutAThresholdTheySpoilTheirBlocksOnly) {
  const OutlierErrors errors = Measure(*kernels_, R"(, "llm_int8_threshold": 0)");
  EXPECT_GT(errors.ours, errors.apart);
  EXPECT_LT(errors.ours, errors.among / 3);
  EXPECT_EQ(Measure(*kernels_, R"(, "llm_int8_threshold": 61)").ours, errors.ours);
}

}  // namespace
}  // namespace quantd
