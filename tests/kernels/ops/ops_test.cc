#include "kernels/ops/ops.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/base/hardware.h"

namespace quantd {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kMin = std::numeric_limits<float>::min();  // smallest normal number

// Lengths around every vector width, multiples and not.
const int64_t kLengths[] = {1,  2,  3,  4,  7,  8,  9,   15,  16,  17,
                            31, 32, 33, 63, 64, 80, 100, 172, 256, 1000};

std::vector<float> Normal(int64_t n, float deviation, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> values(n);
  for (float& v : values) v = normal(random);
  return values;
}

// |got - want| in units of the float spacing at `want`.
double Ulps(float got, double want) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e9;
  const float nearest = static_cast<float>(want);
  if (std::isinf(nearest) || std::isinf(got)) return got == nearest ? 0 : 1e9;
  const float magnitude = std::fabs(nearest);
  const double spacing = static_cast<double>(std::nextafter(magnitude, kInf)) - magnitude;
  return std::fabs(got - want) / spacing;
}

double Silu(double v) {
  return v >= 0 ? v / (1 + std::exp(-v)) : v * std::exp(v) / (1 + std::exp(v));
}

class OpsTest : public testing::TestWithParam<const OpTable*> {
 protected:
  void SetUp() override {
    if (!ProbeHardware().Supports(GetParam()->isa)) GTEST_SKIP() << "this processor cannot run it";
  }
  const OpTable& ops() const { return *GetParam(); }
};

TEST_P(OpsTest, RmsNormMatchesDoublePrecision) {
  for (const int64_t n : kLengths) {
    for (const float deviation : {1e-12f, 1.0f, 1e4f, 1e30f}) {
      const std::vector<float> x = Normal(n, deviation, 1), weight = Normal(n, 1, 2);
      std::vector<float> out(n);
      ops().rms_norm(x.data(), weight.data(), 1e-5f, n, out.data());
      double squares = 0;
      for (const float v : x) squares += static_cast<double>(v) * v;
      const double scale = 1 / std::sqrt(squares / n + 1e-5f);
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_LE(Ulps(out[i], x[i] * scale * weight[i]), 3) << n << " " << deviation << " " << i;
      }
    }
  }
}

TEST_P(OpsTest, RmsNormOfZerosIsZeroAndMayWorkInPlace) {
  std::vector<float> x(33, 0.0f);
  const std::vector<float> weight(33, 2.0f);
  ops().rms_norm(x.data(), weight.data(), 1e-6f, 33, x.data());
  EXPECT_THAT(x, testing::Each(0.0f));
}

TEST_P(OpsTest, RmsNormPassesNanOn) {
  std::vector<float> x = Normal(40, 1, 3);
  x[39] = kNan;
  const std::vector<float> weight(40, 1.0f);
  ops().rms_norm(x.data(), weight.data(), 1e-6f, 40, x.data());
  EXPECT_TRUE(std::isnan(x[0]));
}

TEST_P(OpsTest, RopeRotatesEachPairAndNothingElse) {
  for (const bool adjacent : {false, true}) {
    for (const int64_t dim : {2, 4, 6, 8, 14, 16, 32, 34, 64, 80, 128}) {
      const int64_t half = dim / 2;
      std::vector<float> cos(half), sin(half);
      for (int64_t i = 0; i < half; ++i) {
        cos[i] = std::cos(0.7f * i + 0.1f);
        sin[i] = std::sin(0.7f * i + 0.1f);
      }
      const std::vector<float> before = Normal(dim + 5, 1, 4);
      std::vector<float> x = before;
      ops().rope(x.data(), cos.data(), sin.data(), dim, adjacent);
      for (int64_t i = 0; i < half; ++i) {
        const int64_t first = adjacent ? 2 * i : i, second = adjacent ? 2 * i + 1 : i + half;
        const double a = before[first], b = before[second];
        EXPECT_NEAR(x[first], a * cos[i] - b * sin[i], 4e-7) << dim << " " << i;
        EXPECT_NEAR(x[second], a * sin[i] + b * cos[i], 4e-7) << dim << " " << i;
      }
      for (int64_t i = dim; i < dim + 5; ++i) EXPECT_EQ(x[i], before[i]);
    }
  }
}

TEST_P(OpsTest, SwigluMatchesDoublePrecisionOverTheWholeRange) {
  std::vector<float> gate;
  for (double v = -88; v <= 100; v += 0.0137) gate.push_back(static_cast<float>(v));
  for (const float v : {1e-30f, -1e-30f, 1e-6f, -1e-6f, 1e30f}) gate.push_back(v);
  const std::vector<float> up(gate.size(), 1.0f);
  std::vector<float> out(gate.size());
  ops().swiglu(gate.data(), up.data(), static_cast<int64_t>(gate.size()), out.data());
  for (size_t i = 0; i < gate.size(); ++i) {
    const double want = Silu(gate[i]);
    // Below the normal range only the absolute error counts.
    if (std::fabs(want) < 100 * kMin) {
      EXPECT_NEAR(out[i], want, 1e-40) << gate[i];
    } else {
      EXPECT_LE(Ulps(out[i], want), 4) << gate[i];
    }
  }
}

TEST_P(OpsTest, SwigluAtTheExtremes) {
  std::vector<float> gate = {-100, 100, -1e4f, 1e30f, 0, -0.0f, kNan, -105, 89, -3e38f, 3e38f};
  const std::vector<float> up = {1, 2, 1, 1, 5, 5, 1, 1e30f, 1, 1, 1};
  std::vector<float> out(gate.size());
  ops().swiglu(gate.data(), up.data(), static_cast<int64_t>(gate.size()), out.data());
  EXPECT_NEAR(out[0], 0, 1e-40);
  EXPECT_EQ(out[1], 200);
  EXPECT_EQ(out[2], 0);
  EXPECT_EQ(out[3], 1e30f);
  EXPECT_EQ(out[4], 0);
  EXPECT_EQ(out[5], 0);
  EXPECT_TRUE(std::isnan(out[6]));
  EXPECT_NEAR(out[7], 0, 1e-13);
  EXPECT_EQ(out[8], 89);
  EXPECT_EQ(out[9], 0);
  EXPECT_EQ(out[10], 3e38f);
}

TEST_P(OpsTest, GegluMatchesDoublePrecisionOverTheWholeRange) {
  std::vector<float> gate;
  for (double v = -12; v <= 20; v += 0.0037) gate.push_back(static_cast<float>(v));
  for (const float v : {0.0f, 1e-30f, -1e-30f, 1e-6f, -1e-6f, 1e30f, -1e30f}) gate.push_back(v);
  const std::vector<float> up(gate.size(), 1.0f);
  std::vector<float> out(gate.size());
  ops().geglu(gate.data(), up.data(), static_cast<int64_t>(gate.size()), out.data());
  for (size_t i = 0; i < gate.size(); ++i) {
    // v / 2 (1 + tanh(u)) = v / (1 + exp(-2 u)).
    const double v = gate[i], u = std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v);
    const double want = v / (1 + std::exp(-2 * u));
    // exp makes of a rounded argument w an error of w ulp.
    EXPECT_NEAR(out[i], want, std::fabs(want) * 4e-7 * (4 + std::fabs(std::min(u, 0.0))) + 1e-37)
        << v;
  }
}

TEST_P(OpsTest, GegluPassesNanOn) {
  std::vector<float> gate = {1, kNan, 2}, out(3);
  const std::vector<float> up = {1, 1, kNan};
  ops().geglu(gate.data(), up.data(), 3, out.data());
  EXPECT_FALSE(std::isnan(out[0]));
  EXPECT_TRUE(std::isnan(out[1]) && std::isnan(out[2]));
}

TEST_P(OpsTest, SoftCapIsTheScaledTangent) {
  for (const float cap : {1.0f, 30.0f, 50.0f}) {
    for (const int64_t n : kLengths) {
      std::vector<float> x = Normal(n + 1, 2 * cap, 9);
      const std::vector<float> before = x;
      ops().soft_cap(x.data(), cap, n);
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_NEAR(x[i], cap * std::tanh(double{before[i]} / cap), cap * 3e-7) << before[i];
        EXPECT_LE(std::fabs(x[i]), cap);
      }
      EXPECT_EQ(x[n], before[n]);
    }
  }
  std::vector<float> x = {kInf, -kInf, kNan, 0, 1e38f};
  ops().soft_cap(x.data(), 30, 5);
  EXPECT_EQ(x[0], 30);
  EXPECT_EQ(x[1], -30);
  EXPECT_TRUE(std::isnan(x[2]));
  EXPECT_EQ(x[3], 0);
  EXPECT_EQ(x[4], 30);
}

TEST_P(OpsTest, ElementwiseResultsDoNotDependOnHowARangeIsCut) {
  const int64_t n = 77;
  const std::vector<float> gate = Normal(n, 5, 5), up = Normal(n, 5, 6);
  std::vector<float> whole(n), cut(n);
  ops().swiglu(gate.data(), up.data(), n, whole.data());
  for (int64_t at = 1; at < n; ++at) {
    ops().swiglu(gate.data(), up.data(), at, cut.data());
    ops().swiglu(gate.data() + at, up.data() + at, n - at, cut.data() + at);
    ASSERT_EQ(std::memcmp(whole.data(), cut.data(), n * sizeof(float)), 0) << "cut at " << at;
  }
}

TEST_P(OpsTest, AddAddsAndStaysInItsRange) {
  for (const int64_t n : kLengths) {
    std::vector<float> x = Normal(n + 1, 1, 7);
    const std::vector<float> before = x, y = Normal(n, 1, 8);
    ops().add(x.data(), y.data(), n);
    for (int64_t i = 0; i < n; ++i) EXPECT_EQ(x[i], before[i] + y[i]);
    EXPECT_EQ(x[n], before[n]);
  }
}

void ExpectSoftmax(const OpTable& ops, const std::vector<float>& input) {
  std::vector<float> x = input;
  x.push_back(123.0f);  // must stay
  ops.softmax(x.data(), static_cast<int64_t>(input.size()));
  double max = -kInf, sum = 0;
  for (const float v : input) max = std::max(max, static_cast<double>(v));
  for (const float v : input) sum += std::exp(v - max);
  for (size_t i = 0; i < input.size(); ++i) {
    const double want = std::exp(input[i] - max) / sum;
    // The difference to the maximum is rounded before exp: up to half a unit of a number < 104.
    EXPECT_NEAR(x[i], want, want * 5e-6 + 2e-45) << i << " of " << input.size();
  }
  EXPECT_EQ(x.back(), 123.0f);
}

TEST_P(OpsTest, SoftmaxMatchesDoublePrecision) {
  for (const int64_t n : kLengths) {
    for (const float deviation : {0.01f, 1.0f, 30.0f})
      ExpectSoftmax(ops(), Normal(n, deviation, 9));
  }
  ExpectSoftmax(ops(), Normal(128256, 3, 10));
}

TEST_P(OpsTest, SoftmaxAtTheExtremes) {
  ExpectSoftmax(ops(), std::vector<float>(19, -7.5f));                 // all equal
  ExpectSoftmax(ops(), {3e38f, -3e38f, 3e38f, 0});                     // the difference overflows
  ExpectSoftmax(ops(), {-3e38f, -3e38f, -3e38f});                      // only tiny ones
  ExpectSoftmax(ops(), {-kInf, 1, -kInf, 2, -kInf});                   // masked entries
  ExpectSoftmax(ops(), {-kInf, -kInf, -50});                           // one left
  ExpectSoftmax(ops(), {0, -87, -88, -100, -103, -104, -110, -1e9f});  // down to nothing
  std::vector<float> last_is_largest(40, -1000.0f);
  last_is_largest.back() = 1000;
  ExpectSoftmax(ops(), last_is_largest);
}

TEST_P(OpsTest, SoftmaxPassesNanOn) {
  std::vector<float> x = Normal(21, 1, 11);
  x[20] = kNan;
  ops().softmax(x.data(), 21);
  for (const float v : x) EXPECT_TRUE(std::isnan(v));
}

INSTANTIATE_TEST_SUITE_P(AllIsas, OpsTest, testing::ValuesIn(OpTables()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(OpTablesTest, FirstIsTheReference) {
  ASSERT_FALSE(OpTables().empty());
  EXPECT_EQ(OpTables().front()->isa, Isa::kReference);
}

}  // namespace
}  // namespace quantd
