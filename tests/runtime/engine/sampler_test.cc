#include "runtime/engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "gtest/gtest.h"
#include "runtime/engine/row_math.h"

namespace quantd {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
const TokenCounts kNoCounts;

std::vector<float> RandomLogits(int n, uint32_t seed, float spread = 3.0f) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> logits(n);
  for (float& x : logits) x = normal(rng);
  return logits;
}

// The distribution the parameters ask for, from their definitions, in double and by full sorts.
std::vector<double> ExpectedDistribution(std::vector<float> logits, const SamplingParams& p) {
  const size_t n = logits.size();
  std::vector<double> prob(n);
  for (const auto& [id, bias] : p.logit_bias) logits[id] += bias;
  const double best = *std::max_element(logits.begin(), logits.end());
  for (size_t i = 0; i < n; ++i) prob[i] = std::exp((logits[i] - best) / p.temperature);
  const auto normalize = [&] {
    const double sum = std::accumulate(prob.begin(), prob.end(), 0.0);
    for (double& x : prob) x /= sum;
  };
  normalize();
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  if (p.top_k > 0) {
    for (size_t i = p.top_k; i < n; ++i) prob[order[i]] = 0;
    normalize();
  }
  double mass = 0;
  for (size_t i = 0; i < n; ++i) {
    if (mass >= p.top_p) prob[order[i]] = 0;
    mass += prob[order[i]];
  }
  const double floor = p.min_p * prob[order[0]];
  for (double& x : prob) x = x < floor ? 0 : x;
  normalize();
  return prob;
}

int32_t SampleId(std::vector<float> logits, const SamplingParams& params, uint64_t seed,
                 int64_t index = 0, const TokenCounts& counts = kNoCounts,
                 std::vector<int32_t> banned = {}) {
  Sampler sampler;
  auto token = sampler.Sample(absl::MakeSpan(logits), {params, counts, banned, seed, index});
  EXPECT_TRUE(token.ok()) << token.status();
  return token.ok() ? token->id : -1;
}

TEST(SamplerTest, GreedyIsArgmaxAtEverySizeAndPlace) {
  SamplingParams greedy;
  greedy.temperature = 0;
  for (int n : {1, 2, 15, 16, 17, 511, 512, 513, 1000, 32000}) {
    auto logits = RandomLogits(n, n);
    const auto expected = std::max_element(logits.begin(), logits.end()) - logits.begin();
    EXPECT_EQ(SampleId(logits, greedy, 0), expected);
    for (int place : {0, n / 2, n - 1}) {
      auto spiked = logits;
      spiked[place] = 100;
      EXPECT_EQ(SampleId(spiked, greedy, 0), place);
    }
  }
}

TEST(SamplerTest, GreedyTakesTheLowestIdAmongEquals) {
  SamplingParams greedy;
  greedy.temperature = 0;
  std::vector<float> logits(2000, -1.0f);
  EXPECT_EQ(SampleId(logits, greedy, 0), 0);
  logits[700] = logits[701] = logits[1999] = 5;
  EXPECT_EQ(SampleId(logits, greedy, 0), 700);
  logits.assign(600, -kInf);
  logits[599] = -std::numeric_limits<float>::max();
  EXPECT_EQ(SampleId(logits, greedy, 0), 599);
}

TEST(SamplerTest, GreedyDoesNotTouchTheLogits) {
  SamplingParams greedy;
  greedy.temperature = 0;
  auto logits = RandomLogits(100, 1);
  const auto before = logits;
  Sampler sampler;
  ASSERT_TRUE(sampler.Sample(absl::MakeSpan(logits), {greedy, kNoCounts, {}, 0, 0}).ok());
  EXPECT_EQ(logits, before);
}

TEST(SamplerTest, NonFiniteLogitsAreAnError) {
  for (float temperature : {0.0f, 1.0f}) {
    SamplingParams params;
    params.temperature = temperature;
    for (float bad : {kNan, kInf}) {
      for (int place : {0, 1, 500, 512, 1036}) {
        auto logits = RandomLogits(1037, 3);
        logits[place] = bad;
        Sampler sampler;
        auto token = sampler.Sample(absl::MakeSpan(logits), {params, kNoCounts, {}, 0, 7});
        ASSERT_EQ(token.status().code(), absl::StatusCode::kInternal) << bad << " at " << place;
        EXPECT_NE(token.status().message().find("token 7"), absl::string_view::npos);
      }
    }
    std::vector<float> impossible(40, -kInf);
    Sampler sampler;
    EXPECT_FALSE(sampler.Sample(absl::MakeSpan(impossible), {params, kNoCounts, {}, 0, 0}).ok());
  }
}

TEST(SamplerTest, MinusInfinityIsNeverDrawn) {
  SamplingParams params;
  std::vector<float> logits(20, -kInf);
  logits[3] = logits[17] = 0;
  std::vector<int> seen(20);
  for (uint64_t seed = 0; seed < 400; ++seed) ++seen[SampleId(logits, params, seed)];
  EXPECT_EQ(seen[3] + seen[17], 400);
  EXPECT_NEAR(seen[3], 200, 50);
}

struct DistributionCase {
  const char* name;
  float temperature = 1;
  int top_k = 0;
  float top_p = 1;
  float min_p = 0;
  std::vector<std::pair<int32_t, float>> bias = {};
};

class DistributionTest : public testing::TestWithParam<DistributionCase> {};

// Draws with fixed seeds. Tokens that must not occur never do, and each other one occurs as often
// as it should within five standard deviations.
TEST_P(DistributionTest, MatchesDefinition) {
  const DistributionCase& c = GetParam();
  SamplingParams params;
  params.temperature = c.temperature;
  params.top_k = c.top_k;
  params.top_p = c.top_p;
  params.min_p = c.min_p;
  params.logit_bias = c.bias;
  constexpr int kDraws = 16000;
  for (int n : {7, 60, 600}) {
    const auto logits = RandomLogits(n, 40 + n, 2.0f);
    const auto expected = ExpectedDistribution(logits, params);
    std::vector<int> seen(n);
    Sampler sampler;
    for (int i = 0; i < kDraws; ++i) {
      auto row = logits;
      const auto token = sampler.Sample(
          absl::MakeSpan(row), {params, kNoCounts, {}, static_cast<uint64_t>(i % 8), i / 8});
      ASSERT_TRUE(token.ok());
      ++seen[token->id];
    }
    for (int id = 0; id < n; ++id) {
      if (expected[id] == 0) {
        ASSERT_EQ(seen[id], 0) << "token " << id << " is filtered out, n = " << n;
        continue;
      }
      const double mean = expected[id] * kDraws;
      ASSERT_NEAR(seen[id], mean, 5 * std::sqrt(mean) + 3) << "token " << id << ", n = " << n;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Parameters, DistributionTest,
    testing::Values(DistributionCase{"plain"}, DistributionCase{"cool", 0.5f},
                    DistributionCase{"hot", 3.0f}, DistributionCase{"top_k_1", 1, 1},
                    DistributionCase{"top_k", 1, 5}, DistributionCase{"top_k_beyond", 1, 5000},
                    DistributionCase{"top_p", 1, 0, 0.6f},
                    DistributionCase{"top_p_wide", 2.0f, 0, 0.999f},
                    DistributionCase{"top_p_tiny", 1, 0, 1e-6f},
                    DistributionCase{"min_p", 1, 0, 1, 0.2f},
                    DistributionCase{"min_p_one", 1, 0, 1, 1.0f},
                    DistributionCase{"top_k_top_p", 1.2f, 6, 0.8f},
                    DistributionCase{"everything", 1.5f, 6, 0.9f, 0.1f, {{2, 3.0f}, {4, -3.0f}}}),
    [](const auto& info) { return info.param.name; });

TEST(SamplerTest, TinyTemperatureIsTheLimitOfGreedy) {
  SamplingParams params;
  for (float temperature : {1e-6f, 1e-30f, std::numeric_limits<float>::denorm_min()}) {
    params.temperature = temperature;
    const auto logits = RandomLogits(333, 9);
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    for (uint64_t seed = 0; seed < 20; ++seed) EXPECT_EQ(SampleId(logits, params, seed), best);
  }
}

TEST(SamplerTest, HugeLogitsDoNotOverflow) {
  SamplingParams params;
  std::vector<float> logits = {-3e38f, 3e38f, -3e38f, 3e38f};
  int seen[4] = {};
  for (uint64_t seed = 0; seed < 1000; ++seed) ++seen[SampleId(logits, params, seed)];
  EXPECT_EQ(seen[0] + seen[2], 0);
  EXPECT_NEAR(seen[1], 500, 80);
}

TEST(SamplerTest, SeedAndIndexDecideAlone) {
  SamplingParams params;
  const auto logits = RandomLogits(500, 5);
  Sampler used, fresh;
  for (int i = 0; i < 50; ++i) {
    auto other = RandomLogits(77, i);
    ASSERT_TRUE(used.Sample(absl::MakeSpan(other), {params, kNoCounts, {}, 1, i}).ok());
    auto a = logits, b = logits;
    EXPECT_EQ(used.Sample(absl::MakeSpan(a), {params, kNoCounts, {}, 42, i})->id,
              fresh.Sample(absl::MakeSpan(b), {params, kNoCounts, {}, 42, i})->id);
  }
}

TEST(SamplerTest, UniformIsUniformAndStreamsAreUnrelated) {
  for (uint64_t seed : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, uint64_t{0x9e3779b97f4a7c15}}) {
    double sum = 0, product = 0;
    int buckets[10] = {};
    constexpr int kCount = 20000;
    for (int i = 0; i < kCount; ++i) {
      const double u = UniformFor(seed, i);
      ASSERT_GE(u, 0);
      ASSERT_LT(u, 1);
      sum += u;
      product += (u - 0.5) * (UniformFor(seed + 1, i) - 0.5);
      ++buckets[static_cast<int>(u * 10)];
    }
    EXPECT_NEAR(sum / kCount, 0.5, 0.01);
    EXPECT_NEAR(product / kCount, 0, 0.004);
    for (int b : buckets) EXPECT_NEAR(b, kCount / 10, 220);
  }
}

TEST(SamplerTest, PenaltiesFollowTheirDefinitions) {
  SamplingParams params;
  params.temperature = 0;
  params.repetition_penalty = 2;
  params.frequency_penalty = 0.5f;
  params.presence_penalty = 0.25f;
  params.logprobs = 0;
  TokenCounts counts;
  counts.AddPrompt(0);  // 4.0 / 2                   = 2.0
  counts.AddOutput(1);  // 6.0 / 2 - 3 * 0.5 - 0.25  = 1.25
  counts.AddOutput(1);
  counts.AddOutput(1);
  counts.AddPrompt(1);  // in the prompt too: counted in the output alone
  counts.AddOutput(2);  // -1.0 * 2 - 0.5 - 0.25     = -2.75
  std::vector<float> logits = {4.0f, 6.0f, -1.0f, 1.9f};
  Sampler sampler;
  auto row = logits;
  auto token = sampler.Sample(absl::MakeSpan(row), {params, counts, {}, 0, 0});
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->id, 0);
  EXPECT_FLOAT_EQ(row[0], 2.0f);
  EXPECT_FLOAT_EQ(row[1], 1.25f);
  EXPECT_FLOAT_EQ(row[2], -2.75f);
  EXPECT_FLOAT_EQ(row[3], 1.9f);
  // Log-probabilities are of the logits before the penalties.
  const double sum = std::exp(4.0) + std::exp(6.0) + std::exp(-1.0) + std::exp(1.9);
  EXPECT_NEAR(token->logprob, 4.0 - std::log(sum), 1e-5);
}

TEST(SamplerTest, BiasAndBansMoveTheChoice) {
  SamplingParams params;
  params.temperature = 0;
  const std::vector<float> logits = {1, 5, 3, 4};
  params.logit_bias = {{0, 100.0f}};
  EXPECT_EQ(SampleId(logits, params, 0), 0);
  params.logit_bias = {{1, -100.0f}};
  EXPECT_EQ(SampleId(logits, params, 0), 3);
  EXPECT_EQ(SampleId(logits, params, 0, 0, kNoCounts, {3}), 2);
  params.temperature = 1;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    EXPECT_NE(SampleId(logits, params, seed, 0, kNoCounts, {3}), 3);
  }
}

TEST(SamplerTest, LogprobsAreTheRawLogSoftmaxBestFirst) {
  for (float temperature : {0.0f, 0.7f}) {
    SamplingParams params;
    params.temperature = temperature;
    params.top_k = 3;
    params.logprobs = 20;
    auto logits = RandomLogits(3000, 21);
    logits[10] = logits[2000] = 12;  // a tie at the top
    double sum = 0;
    for (float x : logits) sum += std::exp(static_cast<double>(x));
    auto row = logits;
    Sampler sampler;
    auto token = sampler.Sample(absl::MakeSpan(row), {params, kNoCounts, {}, 3, 0});
    ASSERT_TRUE(token.ok());
    EXPECT_NEAR(token->logprob, logits[token->id] - std::log(sum), 1e-4);
    ASSERT_EQ(token->top.size(), 20u);
    EXPECT_EQ(token->top[0].id, 10);
    EXPECT_EQ(token->top[1].id, 2000);
    std::vector<int32_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(token->top[i].id, order[i]);
      EXPECT_NEAR(token->top[i].logprob, logits[order[i]] - std::log(sum), 1e-4);
    }
  }
  SamplingParams more_than_vocab;
  more_than_vocab.logprobs = 20;
  std::vector<float> logits = {1, 2, 3};
  Sampler sampler;
  EXPECT_EQ(
      sampler.Sample(absl::MakeSpan(logits), {more_than_vocab, kNoCounts, {}, 0, 0})->top.size(),
      3u);
}

TEST(RowMathTest, WeightsAreExponentials) {
  std::vector<float> row;
  for (int i = 0; i < 4000; ++i) row.push_back(-0.025f * static_cast<float>(i));
  row.push_back(-kInf);
  const auto logits = row;
  std::vector<double> sums;
  const double total = ToWeights(absl::MakeSpan(row), 0, 1, 0, &sums);
  EXPECT_EQ(row[0], 1.0f);
  EXPECT_EQ(row.back(), 0.0f);
  double expected_total = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    const double expected = std::exp(static_cast<double>(logits[i]));
    expected_total += expected;
    if (logits[i] > -87) {
      ASSERT_NEAR(row[i], expected, expected * 3e-7) << logits[i];
    } else {
      ASSERT_LE(row[i], 1e-37);
    }
  }
  EXPECT_NEAR(total, expected_total, expected_total * 1e-6);
  EXPECT_EQ(sums.size(), (row.size() + kRowBlock - 1) / kRowBlock);
  EXPECT_NEAR(LogSumExp(logits, 0), std::log(expected_total), 1e-6);
}

}  // namespace
}  // namespace quantd
