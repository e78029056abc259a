#include "runtime/quantize/awq_search.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "tests/runtime/quantize/calibrated_inputs.h"

namespace quantd {
namespace {

constexpr int64_t kRows = 24, kCols = 128;

class AwqSearchTest : public testing::Test {
 protected:
  std::vector<float> Search(absl::Span<const int32_t> tied = {}) {
    const AwqMatrix matrix = {weights_.data(), kRows};
    return SearchAwqScales(input_, absl::MakeConstSpan(&matrix, 1), tied, rounding_, pool_);
  }
  double Error(absl::Span<const float> scales) {
    return AwqError(input_, {weights_.data(), kRows}, scales, rounding_, pool_);
  }

  ThreadPool pool_{2};
  CalibratedInputs inputs_{300, kCols};
  std::vector<float> weights_ = inputs_.Weights(kRows);
  AwqInput input_{kCols, inputs_.magnitudes, inputs_.products};
  AwqRounding rounding_{{.bits = 3, .symmetric = false}, 32};
};

TEST_F(AwqSearchTest, OutlierChannelsAreScaledUpAndOutputsAreNearer) {
  const std::vector<float> scales = Search();
  ASSERT_EQ(scales.size(), static_cast<size_t>(kCols));
  EXPECT_LT(Error(scales), 0.8 * Error(std::vector<float>(kCols, 1.0f)));
  EXPECT_GT(scales[3], 1.3f * scales[4]);  // of the channels that are 12 times as large
}

TEST_F(AwqSearchTest, TheErrorIsThatOfTheOutputs) {
  const std::vector<float> scales = Search();
  QuantTensor coded;
  coded.Resize(AffineFormat(3, 32, ZeroType::kCode), kRows, kCols);
  double sum = 0;
  std::vector<float> scaled(kCols), difference(kCols);
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t c = 0; c < kCols; ++c) scaled[c] = weights_[r * kCols + c] * scales[c];
    QuantizeAwqRow(input_, rounding_, scales, scaled.data(), r, &coded);
    for (int64_t c = 0; c < kCols; ++c) {
      difference[c] = coded.At(r, c) / scales[c] - weights_[r * kCols + c];
    }
    for (int64_t i = 0; i < kCols; ++i) {
      for (int64_t j = 0; j < kCols; ++j) {
        sum += double{difference[i]} * inputs_.products[i * kCols + j] * difference[j];
      }
    }
  }
  EXPECT_NEAR(Error(scales), sum, 1e-4 * sum);
}

TEST_F(AwqSearchTest, TiedFeaturesShareAFactor) {
  std::vector<int32_t> tied(kCols);
  for (int64_t c = 0; c < kCols; ++c) tied[c] = static_cast<int32_t>(c % (kCols / 2));
  const std::vector<float> scales = Search(tied);
  for (int64_t c = 0; c < kCols / 2; ++c) EXPECT_EQ(scales[c], scales[c + kCols / 2]);
}

TEST_F(AwqSearchTest, InputsOfOneSizeNeedNoScales) {
  std::fill(inputs_.magnitudes.begin(), inputs_.magnitudes.end(), 0.5f);
  for (const float scale : Search()) EXPECT_EQ(scale, 1);
}

}  // namespace
}  // namespace quantd
