#include "kernels/gemm/activations.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/kernels/gemm/gemm_test_util.h"

namespace quantd {
namespace {

TEST(QuantizeRow, RoundsToNearestEvenOfAbsmaxOver127) {
  std::vector<float> x(32, 0.0f);
  x[0] = 127.0f;  // scale 1
  x[1] = 0.5f;
  x[2] = 1.5f;
  x[3] = -2.5f;
  x[4] = -126.6f;
  x[20] = 63.49f;
  QuantizedBlock block;
  QuantizeRow(x.data(), 32, &block);
  EXPECT_EQ(block.scale, 1.0f);
  EXPECT_EQ(block.codes[0], 127);
  EXPECT_EQ(block.codes[1], 0);
  EXPECT_EQ(block.codes[2], 2);
  EXPECT_EQ(block.codes[3], -2);
  EXPECT_EQ(block.codes[4], -127);
  EXPECT_EQ(block.codes[20], 63);
  EXPECT_EQ(block.sums[0], 127 + 2 - 2 - 127);
  EXPECT_EQ(block.sums[1], 63);
}

TEST(QuantizeRow, ErrorIsHalfAStepAndSumsAgree) {
  const int64_t k = 32 * 50;
  const std::vector<float> x = RandomFloats(k, 4);
  std::vector<QuantizedBlock> blocks(k / 32);
  QuantizeRow(x.data(), k, blocks.data());
  for (int64_t b = 0; b < k / 32; ++b) {
    int sums[2] = {};
    float max = 0;
    for (int i = 0; i < 32; ++i) {
      const float value = x[b * 32 + i];
      max = std::max(max, std::abs(value));
      EXPECT_NEAR(blocks[b].codes[i] * blocks[b].scale, value, 0.5001f * blocks[b].scale);
      sums[i / 16] += blocks[b].codes[i];
    }
    EXPECT_FLOAT_EQ(blocks[b].scale, max / 127);
    EXPECT_EQ(blocks[b].sums[0], sums[0]);
    EXPECT_EQ(blocks[b].sums[1], sums[1]);
  }
}

TEST(QuantizeRow, ExtremesStayInRange) {
  for (const float max : {3.4028235e38f, 1.0f, 1e-29f}) {
    std::vector<float> x(32, max);
    for (int i = 0; i < 16; ++i) x[i] = -max;
    QuantizedBlock block;
    QuantizeRow(x.data(), 32, &block);
    for (int i = 0; i < 32; ++i) EXPECT_EQ(block.codes[i], i < 16 ? -127 : 127);
    EXPECT_EQ(block.sums[0], -127 * 16);
    EXPECT_EQ(block.sums[1], 127 * 16);
    EXPECT_FLOAT_EQ(block.scale, max / 127);
  }
}

TEST(QuantizeRow, NothingAndNearlyNothingBecomeZero) {
  for (const float value : {0.0f, -0.0f, 1e-38f, std::numeric_limits<float>::denorm_min()}) {
    const std::vector<float> x(32, value);
    QuantizedBlock block;
    QuantizeRow(x.data(), 32, &block);
    EXPECT_EQ(block.scale, 0.0f);
    for (const int8_t code : block.codes) EXPECT_EQ(code, 0);
  }
}

TEST(QuantizeRow, NonFiniteGivesNanScale) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> x(64, 1.0f);
    x[33] = bad;
    QuantizedBlock blocks[2];
    QuantizeRow(x.data(), 64, blocks);
    EXPECT_FLOAT_EQ(blocks[0].scale, 1.0f / 127);
    EXPECT_TRUE(std::isnan(blocks[1].scale));
    for (const int8_t code : blocks[1].codes) EXPECT_EQ(code, 0);
  }
}

TEST(QuantizeRow, LastBlockIsPaddedWithZeros) {
  const std::vector<float> x(48, 2.0f);
  QuantizedBlock blocks[2];
  QuantizeRow(x.data(), 48, blocks);
  EXPECT_EQ(blocks[1].sums[0], 127 * 16);
  EXPECT_EQ(blocks[1].sums[1], 0);
  for (int i = 16; i < 32; ++i) EXPECT_EQ(blocks[1].codes[i], 0);
}

TEST(Activations, QuantizedOncePerSetAndTheSameForAnyThreadCount) {
  const int64_t m = 9, k = 2048;
  const std::vector<float> x = RandomFloats(m * k, 1);
  ThreadPool one(1), three(3);
  Activations a, b;
  a.Set(x.data(), m, k, k);
  b.Set(x.data(), m, k, k);
  const QuantizedBlock* const first = ActivationAccess::Quantized(a, one);
  EXPECT_EQ(first, ActivationAccess::Quantized(a, one));
  const QuantizedBlock* const second = ActivationAccess::Quantized(b, three);
  EXPECT_EQ(0, memcmp(first, second, m * k / 32 * sizeof(QuantizedBlock)));
  const std::vector<float> other = RandomFloats(k, 2);
  a.Set(other.data(), 1, k, k);
  std::vector<QuantizedBlock> expected(k / 32);
  QuantizeRow(other.data(), k, expected.data());
  EXPECT_EQ(0, memcmp(ActivationAccess::Quantized(a, one), expected.data(),
                      expected.size() * sizeof(QuantizedBlock)));
}

}  // namespace
}  // namespace quantd
