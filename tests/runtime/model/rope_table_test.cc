#include "runtime/model/rope_table.h"

#include <cmath>
#include <functional>

#include "gtest/gtest.h"

namespace quantd {
namespace {

constexpr double kPi = 3.14159265358979323846;

ModelConfig Config(int32_t rope_dim, float base) {
  ModelConfig config;
  config.context = 512;
  config.head_dim = config.rope_dim = rope_dim;
  config.rope_base = base;
  config.rope_original_context = 512;
  return config;
}

// angle(i, position) and one magnitude give every cosine and sine, far beyond the context too.
void ExpectTable(const ModelConfig& config, const std::function<double(int, double)>& angle,
                 double magnitude = 1) {
  RopeTable table(config);
  table.Reserve(100001);
  for (const int64_t position : {0, 1, 2, 31, 511, 512, 5000, 100000}) {
    for (int i = 0; i < config.rope_dim / 2; ++i) {
      const double a = angle(i, static_cast<double>(position));
      EXPECT_NEAR(table.cos(position)[i], magnitude * std::cos(a), 1e-6) << position << " " << i;
      EXPECT_NEAR(table.sin(position)[i], magnitude * std::sin(a), 1e-6) << position << " " << i;
    }
  }
}

TEST(RopeTableTest, WithoutScaling) {
  ExpectTable(Config(64, 10000), [](int i, double p) { return p / std::pow(10000.0, i / 32.0); });
  ExpectTable(Config(2, 500000), [](int, double p) { return p; });
}

TEST(RopeTableTest, FactorIsIgnoredWithoutScaling) {
  ModelConfig config = Config(8, 10000);
  config.rope_factor = 4;
  ExpectTable(config, [](int i, double p) { return p / std::pow(10000.0, i / 4.0); });
}

TEST(RopeTableTest, LinearDividesPositions) {
  ModelConfig config = Config(32, 10000);
  config.rope_scaling = RopeScaling::kLinear;
  config.rope_factor = 4;
  ExpectTable(config, [](int i, double p) { return p / 4 / std::pow(10000.0, i / 16.0); });
}

TEST(RopeTableTest, Llama3DividesEachPair) {
  ModelConfig config = Config(8, 500000);
  config.rope_scaling = RopeScaling::kLlama3;
  config.rope_factors = {1, 1.5, 8, 32};
  ExpectTable(config, [](int i, double p) {
    const double factors[] = {1, 1.5, 8, 32};
    return p / std::pow(500000.0, i / 4.0) / factors[i];
  });
}

// The formulas of the YaRN paper for base 10000, 128 elements, 4096 tokens, factor 16, in terms of
// wavelengths: pairs that turn more than 32 times within the context stay, those that turn less
// than once are interpolated, and a linear ramp over the pair's number lies between.
TEST(RopeTableTest, YarnKeepsFastPairsAndInterpolatesSlowOnes) {
  ModelConfig config = Config(128, 10000);
  config.rope_scaling = RopeScaling::kYarn;
  config.rope_factor = 16;
  config.rope_original_context = 4096;
  const double first = std::floor(64 * std::log(4096 / (32 * 2 * kPi)) / std::log(10000.0));
  const double last = std::ceil(64 * std::log(4096 / (2 * kPi)) / std::log(10000.0));
  ASSERT_EQ(first, 20);
  ASSERT_EQ(last, 46);
  const auto angle = [&](int i, double p) {
    const double plain = p / std::pow(10000.0, i / 64.0);
    if (i <= first) return plain;
    if (i >= last) return plain / 16;
    const double share = (i - first) / (last - first);
    return plain * (1 - share) + plain / 16 * share;
  };
  ExpectTable(config, angle, 0.1 * std::log(16.0) + 1);
  config.yarn_attn_factor = 0.5f;
  ExpectTable(config, angle, 0.5 * (0.1 * std::log(16.0) + 1));
}

TEST(RopeTableTest, YarnWithoutExtrapolationIsLinear) {
  ModelConfig config = Config(16, 10000);
  config.rope_scaling = RopeScaling::kYarn;
  config.rope_factor = 8;
  config.yarn_ext_factor = 0;
  ExpectTable(config, [](int i, double p) { return p / 8 / std::pow(10000.0, i / 8.0); });
}

TEST(RopeTableTest, GrowingKeepsValues) {
  const ModelConfig config = Config(16, 10000);
  RopeTable small(config), large(config);
  large.Reserve(3000);
  for (int64_t positions : {513, 514, 1500, 3000}) small.Reserve(positions);
  for (int64_t p = 0; p < 3000; ++p) {
    for (int i = 0; i < 8; ++i) {
      ASSERT_EQ(small.cos(p)[i], large.cos(p)[i]);
      ASSERT_EQ(small.sin(p)[i], large.sin(p)[i]);
    }
  }
}

}  // namespace
}  // namespace quantd
