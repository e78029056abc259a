#include "runtime/engine/row_math.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>

namespace quantd {
namespace {

// Sums and maxima are kept in this many independent lanes, which the compiler turns into vectors
// of any width without being allowed to reorder arithmetic.
constexpr int kLanes = 16;

// exp(x) for x <= 0 without branches; relative error below 2e-7, and 0 below -87. The argument is
// reduced by multiples of ln 2 (in two parts, so that the difference is exact) and the rest put
// through the polynomial of the Cephes library's expf.
inline float ExpNonPositive(float x) {
  constexpr float kLowest = -87.0f, kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds
  const float bounded = x > kLowest ? x : kLowest;
  const float shifted = bounded * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t exponent = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound);
  const float scale = std::bit_cast<float>((exponent + 127) << 23);
  return x > kLowest ? p * scale : 0.0f;
}

struct BlockMax {
  float value;
  bool valid;
};

BlockMax MaxOf(const float* x, int64_t n) {
  float best[kLanes];
  int32_t bad[kLanes] = {};
  std::fill_n(best, kLanes, -std::numeric_limits<float>::infinity());
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      const float v = x[i + j];
      best[j] = v > best[j] ? v : best[j];
      bad[j] |= !(v <= FLT_MAX);
    }
  }
  for (; i < n; ++i) {
    best[0] = x[i] > best[0] ? x[i] : best[0];
    bad[0] |= !(x[i] <= FLT_MAX);
  }
  return {*std::max_element(best, best + kLanes), *std::max_element(bad, bad + kLanes) == 0};
}

float SumOf(const float* lanes) {
  float sum = 0;
  for (int j = 0; j < kLanes; ++j) sum += lanes[j];
  return sum;
}

// Weights of one block in place; returns their sum.
float WeighBlock(float* x, int64_t n, float best, float temperature, float floor) {
  float sum[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      const float w = ExpNonPositive((x[i + j] - best) / temperature);
      x[i + j] = w < floor ? 0.0f : w;
      sum[j] += x[i + j];
    }
  }
  for (; i < n; ++i) {
    const float w = ExpNonPositive((x[i] - best) / temperature);
    x[i] = w < floor ? 0.0f : w;
    sum[0] += x[i];
  }
  return SumOf(sum);
}

float SumExpOfBlock(const float* x, int64_t n, float best) {
  float sum[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) sum[j] += ExpNonPositive(x[i + j] - best);
  }
  for (; i < n; ++i) sum[0] += ExpNonPositive(x[i] - best);
  return SumOf(sum);
}

}  // namespace

RowBest FindBest(absl::Span<const float> row) {
  RowBest best;
  best.value = -std::numeric_limits<float>::infinity();
  const auto size = static_cast<int64_t>(row.size());
  for (int64_t begin = 0; begin < size; begin += kRowBlock) {
    const int64_t end = std::min(size, begin + kRowBlock);
    const BlockMax block = MaxOf(row.data() + begin, end - begin);
    if (!block.valid) {
      best.valid = false;
      return best;
    }
    if (block.value > best.value) {
      best.value = block.value;
      best.id = static_cast<int32_t>(
          std::find(row.begin() + begin, row.begin() + end, block.value) - row.begin());
    }
  }
  return best;
}

double ToWeights(absl::Span<float> row, float best, float temperature, float floor,
                 std::vector<double>* sums) {
  sums->clear();
  double total = 0;
  const auto size = static_cast<int64_t>(row.size());
  for (int64_t begin = 0; begin < size; begin += kRowBlock) {
    const int64_t n = std::min(kRowBlock, size - begin);
    sums->push_back(WeighBlock(row.data() + begin, n, best, temperature, floor));
    total += sums->back();
  }
  return total;
}

double LogSumExp(absl::Span<const float> row, float best) {
  double total = 0;
  const auto size = static_cast<int64_t>(row.size());
  for (int64_t begin = 0; begin < size; begin += kRowBlock) {
    total += SumExpOfBlock(row.data() + begin, std::min(kRowBlock, size - begin), best);
  }
  return best + std::log(total);
}

}  // namespace quantd
