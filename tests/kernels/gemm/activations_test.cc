#include "kernels/gemm/activations.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/kernels/gemm/gemm_test_util.h"

namespace quantd {
namespace {

double ScaleOf(const QuantizedBlock& block, int sub) {
  return std::ldexp(block.scale, block.shifts[sub]);
}

TEST(QuantizeRow, RoundsToNearestEvenOfAbsmaxOver127) {
  std::vector<float> x(256, 0.0f);
  x[0] = 127.0f;  // scale 1
  x[1] = 0.5f;
  x[2] = 1.5f;
  x[3] = -2.5f;
  x[4] = -126.6f;
  x[20] = 63.49f;
  QuantizedBlock block;
  QuantizeRow(x.data(), 256, &block);
  EXPECT_EQ(ScaleOf(block, 0), 1.0);
  EXPECT_EQ(block.codes[0], 127);
  EXPECT_EQ(block.codes[1], 0);
  EXPECT_EQ(block.codes[2], 2);
  EXPECT_EQ(block.codes[3], -2);
  EXPECT_EQ(block.codes[4], -127);
  EXPECT_EQ(block.codes[20], 63);
  EXPECT_EQ(block.half_starts[0], -(127 + 2 - 2 - 127));
  EXPECT_EQ(block.half_starts[1], -63);
  EXPECT_EQ(block.starts[0], -63);
}

TEST(QuantizeRow, SubBlocksHavePowersOfTwoOfTheirOwn) {
  std::vector<float> x(256, 0.0f);
  x[0] = 100.0f;
  x[32] = -51.0f;     // more than half of the largest
  x[64] = 50.0f;      // half
  x[96] = 12.5f;      // an eighth
  x[128] = 12.4999f;  // fits twice as large once more: below 1/8
  x[160] = 1e-9f;     // far below: as fine as it gets
  QuantizedBlock block;
  QuantizeRow(x.data(), 256, &block);
  const int shifts[] = {7, 7, 6, 4, 4, 0, 0, 0};
  for (int b = 0; b < 8; ++b) EXPECT_EQ(block.shifts[b], shifts[b]) << b;
  EXPECT_EQ(block.codes[64], 127);
  EXPECT_EQ(block.codes[96], 127);
}

TEST(QuantizeRow, ErrorIsHalfAStepAndSumsAgree) {
  const int64_t k = 256 * 50;
  const std::vector<float> x = RandomFloats(k, 4);
  std::vector<QuantizedBlock> blocks(k / 256);
  QuantizeRow(x.data(), k, blocks.data());
  for (int64_t sub = 0; sub < k / 32; ++sub) {
    const QuantizedBlock& block = blocks[sub / 8];
    const int b = static_cast<int>(sub % 8);
    int sums[2] = {};
    float max = 0;
    for (int i = 0; i < 32; ++i) {
      const float value = x[sub * 32 + i];
      max = std::max(max, std::abs(value));
      const double scale = ScaleOf(block, b);
      EXPECT_NEAR(block.codes[32 * b + i] * scale, value, 0.5001 * scale);
      sums[i / 16] += block.codes[32 * b + i];
    }
    EXPECT_LT(ScaleOf(block, b), 2.0001 * max / 127);  // less than a bit is given away
    for (int half = 0; half < 2; ++half) {
      EXPECT_EQ(block.half_starts[2 * b + half], -sums[half]);
      EXPECT_EQ(block.half_sums[2 * b + half], std::ldexp(sums[half], block.shifts[b]));
    }
    EXPECT_EQ(block.starts[b], -(sums[0] + sums[1]));
    EXPECT_EQ(block.sums[b], std::ldexp(sums[0] + sums[1], block.shifts[b]));
  }
}

TEST(QuantizeRow, ExtremesStayInRange) {
  for (const float max : {3.4028235e38f, 1.0f, 1e-29f}) {
    std::vector<float> x(256, max);
    for (int i = 0; i < 16; ++i) x[i] = -max;
    QuantizedBlock block;
    QuantizeRow(x.data(), 256, &block);
    for (int i = 0; i < 256; ++i) EXPECT_EQ(block.codes[i], i < 16 ? -127 : 127);
    EXPECT_EQ(block.half_starts[0], 127 * 16);
    EXPECT_EQ(block.half_starts[1], -127 * 16);
    EXPECT_FLOAT_EQ(static_cast<float>(ScaleOf(block, 0)), max / 127);
  }
}

TEST(QuantizeRow, NothingAndNearlyNothingBecomeZero) {
  for (const float value : {0.0f, -0.0f, 1e-38f, std::numeric_limits<float>::denorm_min()}) {
    const std::vector<float> x(256, value);
    QuantizedBlock block;
    QuantizeRow(x.data(), 256, &block);
    EXPECT_EQ(block.scale, 0.0f);
    for (const int8_t code : block.codes) EXPECT_EQ(code, 0);
  }
}

TEST(QuantizeRow, NonFiniteGivesNanScale) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> x(512, 1.0f);
    x[333] = bad;
    QuantizedBlock blocks[2];
    QuantizeRow(x.data(), 512, blocks);
    EXPECT_FLOAT_EQ(static_cast<float>(ScaleOf(blocks[0], 0)), 1.0f / 127);
    EXPECT_TRUE(std::isnan(blocks[1].scale));
    for (const int8_t code : blocks[1].codes) EXPECT_EQ(code, 0);
  }
}

TEST(QuantizeRow, LastBlockIsPaddedWithZeros) {
  const std::vector<float> x(272, 2.0f);
  QuantizedBlock blocks[2];
  QuantizeRow(x.data(), 272, blocks);
  EXPECT_EQ(blocks[1].half_starts[0], -127 * 16);
  EXPECT_EQ(blocks[1].half_starts[1], 0);
  for (int i = 16; i < 256; ++i) EXPECT_EQ(blocks[1].codes[i], 0);
}

TEST(Activations, ReorderedGathersFeatures) {
  const std::vector<float> x = RandomFloats(2 * 8, 1);
  ThreadPool pool(1);
  Activations a;
  a.Set(x.data(), 2, 8, 8);
  const std::vector<int32_t> order = {7, 0, 1, 6, 5, 2, 3, 4};
  Activations& reordered = ActivationAccess::Reordered(a, 0, a.m(), order, pool);
  for (int row = 0; row < 2; ++row) {
    for (int c = 0; c < 8; ++c) EXPECT_EQ(reordered.row(row)[c], x[row * 8 + order[c]]);
  }
}

// Whatever form is asked for first, each row is made once, before it.
TEST(Activations, RowsAreMadeOnceBeforeTheyAreConverted) {
  const int64_t m = 9, k = 2048;
  const std::vector<float> source = RandomFloats(m * k, 1);
  std::vector<int32_t> order(k);
  for (int64_t c = 0; c < k; ++c) order[c] = static_cast<int32_t>(k - 1 - c);
  ThreadPool pool(3);
  Activations made;
  made.Set(source.data(), m, k, k);
  const QuantizedBlock* const codes =
      ActivationAccess::Quantized(made, 0, QuantizeRow, pool).blocks;
  const uint16_t* const rounded = ActivationAccess::Rounded(made, pool);
  for (int first = 0; first < 4; ++first) {
    std::vector<float> x(m * k);
    std::vector<int> calls(m);
    const auto make = [&](int64_t i) {
      ++calls[i];
      std::copy_n(&source[i * k], k, &x[i * k]);
    };
    Activations a;
    a.Set(x.data(), m, k, k, make);
    if (first == 0) ActivationAccess::Make(a, pool);
    if (first == 1) ActivationAccess::Rounded(a, pool);
    if (first == 2) ActivationAccess::Reordered(a, 0, m, order, pool);
    const QuantizedBlock* const quantized =
        ActivationAccess::Quantized(a, 0, QuantizeRow, pool).blocks;
    EXPECT_EQ(0, memcmp(quantized, codes, m * k / 256 * sizeof(QuantizedBlock)));
    EXPECT_EQ(0, memcmp(ActivationAccess::Rounded(a, pool), rounded,
                        m * Bf16Stride(k) * sizeof(uint16_t)));
    ActivationAccess::Make(a, pool);
    for (const int count : calls) EXPECT_EQ(count, 1) << first;
  }
  // What was to be made for earlier rows is forgotten.
  Activations a;
  a.Set(source.data(), m, k, k, [](int64_t) { FAIL() << "made"; });
  a.Set(source.data(), m, k, k);
  ActivationAccess::Make(a, pool);
}

TEST(Activations, OutliersAreLeftOutForEachThreshold) {
  const int64_t m = 12, k = 1024;
  std::vector<float> x = RandomFloats(m * k, 1);
  for (float& value : x) value = std::clamp(value, -5.5f, 5.5f);
  x[3 * k + 17] = 8;
  x[3 * k + 500] = -20;
  std::vector<float> rest = x;
  rest[3 * k + 17] = rest[3 * k + 500] = 0;
  ThreadPool pool(2);
  Activations a, without;
  a.Set(x.data(), m, k, k);
  without.Set(rest.data(), m, k, k);
  const size_t bytes = m * k / 256 * sizeof(QuantizedBlock);
  const QuantizedBlock* const expected =
      ActivationAccess::Quantized(without, 0, QuantizeRow, pool).blocks;
  const QuantizedRows six = ActivationAccess::Quantized(a, 6, QuantizeRow, pool);
  const QuantizedRows all = ActivationAccess::Quantized(a, 0, QuantizeRow, pool);
  EXPECT_EQ(0, memcmp(six.blocks, expected, bytes));
  EXPECT_NE(0, memcmp(all.blocks, expected, bytes));
  EXPECT_EQ(ActivationAccess::Quantized(a, 6, QuantizeRow, pool).blocks, six.blocks);
  EXPECT_TRUE(all.outliers.empty());
  ASSERT_EQ(six.outliers.size(), static_cast<size_t>(m));
  for (int64_t i = 0; i < m; ++i) EXPECT_EQ(six.outliers[i].size(), i == 3 ? 2u : 0u);
  EXPECT_EQ(ActivationAccess::Quantized(a, 10, QuantizeRow, pool).outliers[3].size(), 1u);
  EXPECT_TRUE(ActivationAccess::Quantized(a, 21, QuantizeRow, pool).outliers.empty());
  a.Set(rest.data(), 4, k, k);  // what was found is forgotten
  EXPECT_TRUE(ActivationAccess::Quantized(a, 6, QuantizeRow, pool).outliers.empty());
}

TEST(Activations, QuantizedOncePerSetAndTheSameForAnyThreadCount) {
  const int64_t m = 9, k = 2048;
  const std::vector<float> x = RandomFloats(m * k, 1);
  ThreadPool one(1), three(3);
  Activations a, b;
  a.Set(x.data(), m, k, k);
  b.Set(x.data(), m, k, k);
  const QuantizedBlock* const first = ActivationAccess::Quantized(a, 0, QuantizeRow, one).blocks;
  EXPECT_EQ(first, ActivationAccess::Quantized(a, 0, QuantizeRow, one).blocks);
  const QuantizedBlock* const second = ActivationAccess::Quantized(b, 0, QuantizeRow, three).blocks;
  EXPECT_EQ(0, memcmp(first, second, m * k / 256 * sizeof(QuantizedBlock)));
  const std::vector<float> other = RandomFloats(k, 2);
  a.Set(other.data(), 1, k, k);
  std::vector<QuantizedBlock> expected(k / 256);
  QuantizeRow(other.data(), k, expected.data());
  EXPECT_EQ(0, memcmp(ActivationAccess::Quantized(a, 0, QuantizeRow, one).blocks, expected.data(),
                      expected.size() * sizeof(QuantizedBlock)));
}

}  // namespace
}  // namespace quantd
