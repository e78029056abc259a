#include "runtime/model/perplexity.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/runtime/model/model_fixture.h"
#include "tests/runtime/model/tiny_model.h"
#include "tests/support/sanitizers.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using testing::HasSubstr;

struct PerplexityCase {
  const char* format;
  double expected;  // llama.cpp on the same file and text
};

class HeldOutPerplexityTest : public testing::TestWithParam<PerplexityCase> {};

TEST_P(HeldOutPerplexityTest, IsWithinHalfAPercentOfLlamaCpp) {
  if (kSanitized)
    GTEST_SKIP() << "minutes under a sanitizer; the same code runs on a few chunks below";
  QUANTD_NEED_TEST_DATA(text_path, "text/shakespeare-heldout.txt");
  const std::string path =
      SourcePath(std::string("config/models/shakespeare-6m-") + GetParam().format + ".gguf");
  LoadedModel loaded = LoadModelOrDie(path);
  const auto file = GgufFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  const auto tokenizer = Tokenizer::FromGguf(**file);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::vector<int32_t> tokens = (*tokenizer)->Encode(ReadFileOrDie(text_path), {});
  const auto result = ComputePerplexity(*loaded.model, KvType::kF16, tokens, {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_NEAR(result->perplexity, GetParam().expected, 0.005 * GetParam().expected);
  EXPECT_EQ(result->chunks, static_cast<int64_t>(tokens.size()) / 256);
  EXPECT_EQ(result->tokens_scored, result->chunks * 127);
  EXPECT_GT(result->standard_error, 0.1);
  EXPECT_LT(result->standard_error, 2.0);
  std::cout << GetParam().format << ": perplexity " << result->perplexity << " +- "
            << result->standard_error << ", llama.cpp " << GetParam().expected << "\n";
}

INSTANTIATE_TEST_SUITE_P(Formats, HeldOutPerplexityTest,
                         testing::Values(PerplexityCase{"f16", 37.515},
                                         PerplexityCase{"Q8_0", 37.525},
                                         PerplexityCase{"Q4_0", 37.501},
                                         PerplexityCase{"Q4_K_M", 37.506}),
                         [](const auto& info) { return info.param.format; });

class PerplexityTest : public testing::Test {
 protected:
  LoadedModel loaded_ = LoadModelOrDie(SourcePath("config/models/shakespeare-6m-Q8_0.gguf"));
  std::vector<int32_t> tokens_ = std::vector<int32_t>(70, 300);
};

TEST_F(PerplexityTest, EqualsTheFormulaOverSeparateSteps) {
  for (size_t i = 0; i < tokens_.size(); ++i) tokens_[i] = static_cast<int32_t>(300 + 37 * i % 900);
  ChunkOptions options;
  options.chunk = 33;
  options.bos = 1;
  const auto result = ComputePerplexity(*loaded_.model, KvType::kF32, tokens_, options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->chunks, 2);
  EXPECT_EQ(result->tokens_scored, 2 * 16);  // positions 17 to 32
  std::vector<double> nlls;
  for (int chunk = 0; chunk < 2; ++chunk) {
    Sequences sequences(*loaded_.model, KvType::kF32, 2);
    for (int p = 0; p < 32; ++p) {
      const int32_t token = p == 0 ? 1 : tokens_[chunk * 33 + p];
      const std::vector<float> logits = sequences.Step({{0, {token}}})[0];
      if (p < 16) continue;
      double sum = 0;
      for (const float v : logits) sum += std::exp(static_cast<double>(v));
      nlls.push_back(std::log(sum) - logits[tokens_[chunk * 33 + p + 1]]);
    }
  }
  double mean = 0, variance = 0;
  for (const double v : nlls) mean += v / 32;
  for (const double v : nlls) variance += (v - mean) * (v - mean) / 31;
  EXPECT_NEAR(result->perplexity / std::exp(mean), 1, 1e-6);
  EXPECT_NEAR(result->standard_error / (std::exp(mean) * std::sqrt(variance / 32)), 1, 1e-3);
}

TEST_F(PerplexityTest, EveryKvTypeLosesLittle) {
  for (size_t i = 0; i < tokens_.size(); ++i) tokens_[i] = static_cast<int32_t>(300 + 37 * i % 900);
  ChunkOptions options;
  options.chunk = 70;
  const auto exact = ComputePerplexity(*loaded_.model, KvType::kF32, tokens_, options);
  ASSERT_TRUE(exact.ok()) << exact.status();
  for (const KvTypeInfo& info : KvTypes()) {
    const auto result = ComputePerplexity(*loaded_.model, info.type, tokens_, options);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_NEAR(result->perplexity / exact->perplexity, 1, 0.02) << info.name;
    EXPECT_EQ(result->perplexity == exact->perplexity, info.type == KvType::kF32) << info.name;
  }
}

TEST_F(PerplexityTest, RefusesWhatItCannotScore) {
  ChunkOptions options;
  const auto message = [&] {
    const auto result = ComputePerplexity(*loaded_.model, KvType::kF16, tokens_, options);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(result.status().message());
  };
  options.chunk = 71;
  EXPECT_THAT(message(), HasSubstr("70 are fewer than a chunk of 71"));
  options.chunk = 2;
  EXPECT_THAT(message(), HasSubstr("chunk: 2 is outside of [3, 256]"));
  options.chunk = 257;
  EXPECT_THAT(message(), HasSubstr("chunk: 257"));
  options.chunk = 32;
  options.bos = 2048;
  EXPECT_THAT(message(), HasSubstr("outside of [0, 2048)"));
  options.bos.reset();
  tokens_[69] = -1;
  EXPECT_THAT(message(), HasSubstr("outside of [0, 2048)"));
}

TEST(LongRopePerplexityTest, ChunksMayBeAsLongAsTheContextAskedFor) {
  const std::string path = SourcePath("tests/golden/families/phi3-longrope");
  const std::vector<int32_t> tokens(40, 50);
  ChunkOptions options;
  options.chunk = 40;
  const auto refused =
      ComputePerplexity(*LoadModelOrDie(path).model, KvType::kF32, tokens, options);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("chunk: 40 is outside of [3, 16]; a max_context allows up to 128"));
  LoadOptions longer;
  longer.context = 40;
  const LoadedModel loaded = LoadModelOrDie(path, "", 1, longer);
  EXPECT_TRUE(ComputePerplexity(*loaded.model, KvType::kF32, tokens, options).ok());
}

TEST_F(PerplexityTest, ProgressCancels) {
  ChunkOptions options;
  options.chunk = 20;
  int64_t calls = 0;
  options.progress = [&](int64_t done, int64_t total) {
    EXPECT_EQ(done, ++calls);
    EXPECT_EQ(total, 3);
    return done < 2;
  };
  const auto result = ComputePerplexity(*loaded_.model, KvType::kF16, tokens_, options);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(calls, 2);
}

std::vector<double> LogSoftmax(const std::vector<float>& logits) {
  double sum = 0;
  for (const float v : logits) sum += std::exp(static_cast<double>(v));
  std::vector<double> logs;
  for (const float v : logits) logs.push_back(v - std::log(sum));
  return logs;
}

TEST_F(PerplexityTest, ComparisonEqualsTheFormulaOverSeparateSteps) {
  LoadedModel f16 = LoadModelOrDie(SourcePath("config/models/shakespeare-6m-f16.gguf"));
  for (size_t i = 0; i < tokens_.size(); ++i) tokens_[i] = static_cast<int32_t>(300 + 37 * i % 900);
  tokens_.resize(24);
  ChunkOptions options;
  options.chunk = 24;
  const auto result =
      CompareModels({*loaded_.model, KvType::kF32}, {*f16.model, KvType::kF16}, tokens_, options);
  ASSERT_TRUE(result.ok()) << result.status();

  Sequences sequences(*loaded_.model, KvType::kF32, 1), other(*f16.model, KvType::kF16, 1);
  std::vector<double> divergences;
  double nll = 0, agreed = 0;
  for (int p = 0; p < 23; ++p) {
    const auto q = LogSoftmax(sequences.Step({{0, {tokens_[p]}}})[0]);
    const auto reference = LogSoftmax(other.Step({{0, {tokens_[p]}}})[0]);
    if (p < 12) continue;
    double divergence = 0;
    for (size_t i = 0; i < q.size(); ++i) {
      divergence += std::exp(reference[i]) * (reference[i] - q[i]);
    }
    divergences.push_back(divergence);
    nll -= reference[tokens_[p + 1]] / 11;
    agreed += std::max_element(q.begin(), q.end()) - q.begin() ==
              std::max_element(reference.begin(), reference.end()) - reference.begin();
  }
  ASSERT_EQ(divergences.size(), 11u);
  double mean = 0, variance = 0;
  for (const double v : divergences) mean += v / 11;
  for (const double v : divergences) variance += (v - mean) * (v - mean) / 10;
  EXPECT_GT(mean, 0);
  EXPECT_NEAR(result->kl_mean, mean, 1e-6);
  EXPECT_NEAR(result->kl_standard_error, std::sqrt(variance / 11), 1e-6);
  EXPECT_NEAR(result->kl_max, *std::max_element(divergences.begin(), divergences.end()), 1e-6);
  EXPECT_EQ(result->kl_99th_percentile, result->kl_max);
  EXPECT_NEAR(result->top1_agreement, agreed / 11, 1e-9);
  EXPECT_NEAR(result->reference.perplexity, std::exp(nll), 1e-4 * std::exp(nll));
  EXPECT_EQ(result->model.tokens_scored, 11);
}

TEST_F(PerplexityTest, AModelEqualsItself) {
  LoadedModel twin = LoadModelOrDie(SourcePath("config/models/shakespeare-6m-Q8_0.gguf"));
  ChunkOptions options;
  options.chunk = 32;
  const auto result =
      CompareModels({*loaded_.model, KvType::kF16}, {*twin.model, KvType::kF16}, tokens_, options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->kl_max, 0);
  EXPECT_EQ(result->top1_agreement, 1);
  EXPECT_EQ(result->model.perplexity, result->reference.perplexity);
}

TEST_F(PerplexityTest, OnlyModelsOfOneVocabularyAreCompared) {
  TinyModel tiny;
  const auto checkpoint = tiny.Open();
  const auto other = Model::Load(*checkpoint, *loaded_.kernels, *loaded_.pool, {});
  ASSERT_TRUE(other.ok()) << other.status();
  const auto result =
      CompareModels({*loaded_.model, KvType::kF16}, {**other, KvType::kF16}, tokens_, {});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("2048 and 7 tokens"));
}

}  // namespace
}  // namespace quantd
