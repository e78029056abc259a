#include "runtime/quantize/search_row.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/base/float16.h"
#include "runtime/quantize/quantize_row.h"
#include "tests/runtime/quantize/coded_formats.h"

namespace quantd {
namespace {

constexpr int64_t kCols = 1024;

/// Of which formats SearchRow searches for scales; the others it leaves to the simple rule.
bool Searches(const QuantFormat& format) {
  return format.code != CodeType::kF8E4M3 && format.zero != ZeroType::kCode;
}

/// The squared error of the row, each column's times its importance.
double Error(const QuantTensor& rows, const std::vector<float>& weights,
             const std::vector<float>& importance) {
  double sum = 0;
  for (size_t c = 0; c < weights.size(); ++c) {
    sum += importance[c] * std::pow(double{rows.At(0, c)} - weights[c], 2);
  }
  return sum;
}

QuantTensor Searched(const QuantFormat& format, const std::vector<float>& weights,
                     const std::vector<float>* importance) {
  QuantTensor rows;
  rows.Resize(format, 1, static_cast<int64_t>(weights.size()));
  SearchRow(weights.data(), importance == nullptr ? nullptr : importance->data(), 0, &rows);
  return rows;
}

QuantTensor Simple(const QuantFormat& format, const std::vector<float>& weights) {
  QuantTensor rows;
  rows.Resize(format, 1, static_cast<int64_t>(weights.size()));
  QuantizeRow(weights.data(), 0, &rows);
  return rows;
}

TEST(SearchRow, IsBetterThanTheSimpleRule) {
  const std::vector<float> ones(kCols, 1.0f);
  for (const QuantFormat& format : CodedFormats()) {
    double simple = 0, searched = 0;
    for (uint32_t seed = 0; seed < 8; ++seed) {
      const std::vector<float> weights = BellShaped(kCols, seed);
      simple += Error(Simple(format, weights), weights, ones);
      searched += Error(Searched(format, weights, nullptr), weights, ones);
    }
    if (!Searches(format)) {
      EXPECT_EQ(searched, simple) << FormatName(format);
      continue;
    }
    // Powers of two leave little to choose, and errors of large weights count more than here; large
    // groups and fine steps have little to gain.
    const bool coarse = format.scale != ScaleType::kF32 && format.bits < 8;
    const double share = format.scale == ScaleType::kE8M0 ? 1.02 : coarse ? 0.93 : 0.99;
    EXPECT_LT(searched, share * simple) << FormatName(format);
  }
}

/// One-level formats: no scale at all gives a much smaller error, whatever the codes.
TEST(SearchRow, FindsNearlyTheBestScaleOfAGroup) {
  for (const QuantFormat& format : {kQ4_0, kQ5_0, kIq4Nl, kNf4}) {
    const std::vector<float> weights = BellShaped(format.group, 5);
    const std::vector<float> importance(format.group, 1.0f);
    const QuantTensor found = Searched(format, weights, nullptr);
    QuantTensor trial = found;
    double best = INFINITY;
    for (int step = -4000; step <= 4000; ++step) {
      if (step == 0) continue;
      trial.scales[0] = found.scales[0] * static_cast<float>(step) / 2000;
      for (size_t c = 0; c < weights.size(); ++c) {
        double nearest = INFINITY;
        uint8_t code = 0;
        for (int candidate = 0; candidate < 1 << format.bits; ++candidate) {
          trial.codes[c] = static_cast<uint8_t>(candidate);
          const double error = std::fabs(double{trial.At(0, c)} - weights[c]);
          if (error >= nearest) continue;
          nearest = error;
          code = static_cast<uint8_t>(candidate);
        }
        trial.codes[c] = code;
      }
      best = std::min(best, Error(trial, weights, importance));
    }
    EXPECT_LT(Error(found, weights, importance), 1.15 * best) << FormatName(format);
  }
}

TEST(SearchRow, ImportantColumnsAreKeptBetter) {
  std::vector<float> importance(kCols, 1.0f);
  for (int64_t c = 0; c < kCols; c += 5) importance[c] = 100.0f;
  for (const QuantFormat& format : CodedFormats()) {
    // Powers of two: few scales to choose from.
    if (!Searches(format) || format.scale == ScaleType::kE8M0) continue;
    double plain = 0, weighted = 0;
    for (uint32_t seed = 0; seed < 4; ++seed) {
      const std::vector<float> weights = BellShaped(kCols, seed);
      plain += Error(Searched(format, weights, nullptr), weights, importance);
      weighted += Error(Searched(format, weights, &importance), weights, importance);
    }
    EXPECT_LT(weighted, 0.97 * plain) << FormatName(format);
  }
}

TEST(SearchRow, ScalesAreExactInTheirType) {
  for (const QuantFormat& format : CodedFormats()) {
    if (format.scale == ScaleType::kF32) continue;
    const QuantTensor rows = Searched(format, BellShaped(kCols, 1), nullptr);
    for (const auto* scales : {&rows.scales, &rows.mins}) {
      for (const float scale : *scales) {
        EXPECT_EQ(HalfToFloat(FloatToHalf(scale)), scale) << FormatName(format);
      }
    }
  }
}

TEST(SearchRow, ZeroConstantAndExtremeRows) {
  const std::vector<float> unseen(kCols, 0.0f);
  for (const QuantFormat& format : CodedFormats()) {
    const QuantTensor zero = Searched(format, std::vector<float>(kCols, 0.0f), &unseen);
    EXPECT_EQ(zero.At(0, 17), 0) << FormatName(format);
    std::vector<float> huge(kCols, 1e38f), tiny(kCols, 1e-40f), spike(kCols, 0.0f);
    huge[1] = -1e38f;
    tiny[7] = -3e-39f;
    spike[100] = 1.0f;
    for (const auto& weights : {std::vector<float>(kCols, -3.5f), huge, tiny, spike}) {
      const QuantTensor rows = Searched(format, weights, &unseen);
      for (int64_t c = 0; c < kCols; ++c) {
        ASSERT_TRUE(std::isfinite(rows.At(0, c))) << FormatName(format) << " " << c;
      }
    }
    const QuantTensor rows = Searched(format, spike, nullptr);
    EXPECT_NEAR(rows.At(0, 100), 1, 0.01) << FormatName(format);
    const QuantTensor constant = Searched(format, std::vector<float>(kCols, -3.5f), nullptr);
    EXPECT_NEAR(constant.At(0, 3), -3.5, format.scale == ScaleType::kE8M0 ? 0.51 : 0.01);
  }
}

TEST(SearchRow, FloatsAreCopied) {
  QuantTensor rows;
  rows.Resize(kBF16, 1, 2);
  const std::vector<float> weights = {1.5f, -2};
  SearchRow(weights.data(), nullptr, 0, &rows);
  EXPECT_EQ(rows.values, weights);
}

}  // namespace
}  // namespace quantd
