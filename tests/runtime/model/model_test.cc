#include "runtime/model/model.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/model/golden.h"
#include "tests/runtime/model/model_fixture.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

constexpr char kStories[] = "models/stories260K-f32.gguf";
constexpr char kShakespeareF16[] = "config/models/shakespeare-6m-f16.gguf";
constexpr char kShakespeareQ4[] = "config/models/shakespeare-6m-Q4_0.gguf";

// The scalar reference decodes every weight anew; it runs the smaller cases only.
constexpr char kSlowIsa[] = "reference";

class GoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, StoriesInF32) {
  QUANTD_NEED_TEST_DATA(path, kStories);
  LoadedModel loaded = LoadModelOrDie(path, GetParam());
  EXPECT_EQ(loaded.model->config().ff, 172) << "a row length that is no multiple of a block";
  ExpectGolden(*loaded.model, "tests/golden/stories260K.expected.json", KvType::kF32, 1e-3f);
  ExpectGolden(*loaded.model, "tests/golden/stories260K.expected.json", KvType::kF16, 2e-2f);
}

TEST_P(GoldenTest, ShakespeareInF16) {
  LoadedModel loaded = LoadModelOrDie(SourcePath(kShakespeareF16), GetParam());
  ExpectGolden(*loaded.model, "tests/golden/shakespeare-6m.expected.json", KvType::kF32, 2e-2f);
  if (GetParam() == kSlowIsa) return;
  ExpectGolden(*loaded.model, "tests/golden/shakespeare-6m.expected.json", KvType::kF16, 2e-2f);
}

INSTANTIATE_TEST_SUITE_P(AllIsas, GoldenTest, testing::ValuesIn(RunnableIsas()),
                         [](const auto& info) { return info.param; });

std::vector<int32_t> SomeTokens(int64_t n, int32_t vocab, uint32_t seed) {
  std::vector<int32_t> tokens;
  uint32_t state = seed;
  for (int64_t i = 0; i < n; ++i) {
    state = state * 1664525 + 1013904223;
    tokens.push_back(static_cast<int32_t>((state >> 8) % vocab));
  }
  return tokens;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct InvarianceCase {
  const char* file;
  std::string isa;
};
class InvarianceTest : public testing::TestWithParam<InvarianceCase> {
 protected:
  LoadedModel Load(int threads) const {
    return LoadModelOrDie(SourcePath(GetParam().file), GetParam().isa, threads);
  }
  bool slow() const { return GetParam().isa == kSlowIsa; }
};

TEST_P(InvarianceTest, LogitsDoNotDependOnChunkingOrThreads) {
  const int64_t n = slow() ? 40 : 101;
  const std::vector<int32_t> tokens = SomeTokens(n, 2048, 1);
  LoadedModel one = Load(1), three = Load(3);
  Sequences whole_sequences(*one.model, KvType::kF16, 4);
  const std::vector<float> whole = whole_sequences.Step({{0, tokens}}, /*all_rows=*/true)[0];
  for (Model* model : {one.model.get(), three.model.get()}) {
    for (const int64_t chunk : {int64_t{1}, int64_t{7}, int64_t{32}, n}) {
      Sequences sequences(*model, KvType::kF16, 4);
      std::vector<float> parts;
      for (int64_t p = 0; p < n; p += chunk) {
        const std::vector<int32_t> piece(tokens.begin() + p,
                                         tokens.begin() + std::min(n, p + chunk));
        const std::vector<float> part = sequences.Step({{0, piece}}, /*all_rows=*/true)[0];
        parts.insert(parts.end(), part.begin(), part.end());
      }
      EXPECT_TRUE(SameBits(parts, whole)) << "chunks of " << chunk;
    }
  }
}

TEST_P(InvarianceTest, LogitsDoNotDependOnTheBatch) {
  LoadedModel loaded = Load(2);
  const int count = slow() ? 5 : 9;
  std::vector<std::vector<int32_t>> prompts;
  std::vector<std::vector<float>> alone;
  for (int s = 0; s < count; ++s) {
    prompts.push_back(SomeTokens(3 + 11 * s, 2048, 100 + s));
    Sequences sequences(*loaded.model, KvType::kF16, 4);
    sequences.Step({{0, {prompts[s].begin(), prompts[s].end() - 1}}});
    alone.push_back(sequences.Step({{0, {prompts[s].back()}}})[0]);
  }
  // Prompts together but one, then its prompt beside the others' decode rows.
  Sequences sequences(*loaded.model, KvType::kF16, 4 * count);
  std::vector<Sequences::Piece> first, second;
  for (int s = 0; s < count; ++s) {
    if (s == 4) {
      second.push_back({s, prompts[s]});
      continue;
    }
    first.push_back({s, {prompts[s].begin(), prompts[s].end() - 1}});
    second.push_back({s, {prompts[s].back()}});
  }
  sequences.Step(first);
  const auto logits = sequences.Step(second);
  for (int s = 0; s < count; ++s) EXPECT_TRUE(SameBits(logits[s], alone[s])) << "sequence " << s;
}

std::vector<InvarianceCase> InvarianceCases() {
  std::vector<InvarianceCase> cases;
  for (const std::string& isa : RunnableIsas()) {
    cases.push_back({kShakespeareQ4, isa});
    if (isa != kSlowIsa) cases.push_back({kShakespeareF16, isa});
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(AllIsas, InvarianceTest, testing::ValuesIn(InvarianceCases()),
                         [](const auto& info) {
                           const bool q4 = info.param.file == std::string(kShakespeareQ4);
                           return info.param.isa + (q4 ? "_Q4_0" : "_F16");
                         });

class ModelLoadTest : public testing::Test {
 protected:
  void SetUp() override {
    auto checkpoint = Checkpoint::Open(SourcePath(kShakespeareQ4));
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    checkpoint_ = *std::move(checkpoint);
    auto kernels = KernelSet::Create(ProbeHardware(), {});
    ASSERT_TRUE(kernels.ok()) << kernels.status();
    kernels_ = *std::move(kernels);
  }
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<KernelSet> kernels_;
  ThreadPool pool_{2};
};

TEST_F(ModelLoadTest, ProgressGrowsToTheTotal) {
  uint64_t last = 0, total = 0, calls = 0;
  LoadOptions options;
  options.progress = [&](const LoadProgress& progress) {
    EXPECT_GT(progress.done_bytes, last);
    EXPECT_FALSE(progress.tensor.empty());
    last = progress.done_bytes;
    total = progress.total_bytes;
    ++calls;
    return true;
  };
  const auto model = Model::Load(*checkpoint_, *kernels_, pool_, options);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(last, total);
  EXPECT_EQ(calls, checkpoint_->tensors().size());
  uint64_t bytes = 0;
  for (const CheckpointTensor& tensor : checkpoint_->tensors()) bytes += tensor.bytes;
  EXPECT_EQ(total, bytes);
}

TEST_F(ModelLoadTest, ProgressCancels) {
  int calls = 0;
  LoadOptions options;
  options.progress = [&](const LoadProgress&) { return ++calls < 5; };
  const auto model = Model::Load(*checkpoint_, *kernels_, pool_, options);
  EXPECT_EQ(model.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(calls, 5);
}

TEST_F(ModelLoadTest, ReportNamesEveryMatrixWithItsKernels) {
  const auto model = Model::Load(*checkpoint_, *kernels_, pool_, {});
  ASSERT_TRUE(model.ok()) << model.status();
  const std::vector<WeightReport> reports = (*model)->Report();
  const auto dry = ReportWeights(*checkpoint_, *kernels_);
  ASSERT_TRUE(dry.ok()) << dry.status();
  ASSERT_EQ(reports.size(), 2u + 6 * 7);
  ASSERT_EQ(dry->size(), reports.size());
  EXPECT_EQ(reports[0].name, "token_embd.weight");
  EXPECT_EQ(reports[1].name, "output.weight");
  EXPECT_EQ(reports[1].format, "Q6_K");
  EXPECT_EQ(reports[2].format, "Q4_0");
  uint64_t packed = 0;
  for (size_t i = 0; i < reports.size(); ++i) {
    const WeightReport& report = reports[i];
    EXPECT_EQ(report.name, (*dry)[i].name);
    EXPECT_EQ(report.decode_kernel, (*dry)[i].decode_kernel);
    EXPECT_EQ((*dry)[i].packed_bytes, 0u);
    EXPECT_EQ(report.file_bytes, checkpoint_->Find(report.name)->bytes);
    EXPECT_GE(report.packed_bytes, report.file_bytes * 9 / 10);
    EXPECT_FALSE(report.decode_kernel.empty());
    EXPECT_FALSE(report.batch_kernel.empty());
    EXPECT_FALSE(report.how.empty());
    packed += report.packed_bytes;
  }
  EXPECT_EQ((*model)->weight_bytes(), packed);
  EXPECT_EQ((*model)->kv_layout(KvType::kF16).block_bytes(), 2 * 6 * 4 * 32 * 32 * 2);
}

// What a product computes with must not depend on whether the weights are decoded before or while.
TEST(Model, DecodedToFloatItIsNearlyTheSameModel) {
  const auto file = Checkpoint::Open(SourcePath(kShakespeareQ4));
  ASSERT_TRUE(file.ok()) << file.status();
  LoadedModel quantized = LoadModelOrDie(SourcePath(kShakespeareQ4));
  LoadOptions options;
  options.decode_to_float = true;
  const auto decoded = Model::Load(**file, *quantized.kernels, *quantized.pool, options);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const WeightReport report = (*decoded)->Report()[0];
  EXPECT_EQ(report.format, "Q4_0");
  EXPECT_THAT(report.decode_kernel, testing::HasSubstr("f32"));
  EXPECT_GT((*decoded)->weight_bytes(), 6 * quantized.model->weight_bytes());
  const std::vector<int32_t> prompt = {680, 1064, 2007, 3};
  const auto exact = Sequences(**decoded, KvType::kF32, 1).Step({{0, prompt}})[0];
  const auto fast = Sequences(*quantized.model, KvType::kF32, 1).Step({{0, prompt}})[0];
  float largest = 0, error = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    largest = std::max(largest, std::fabs(exact[i]));
    error = std::max(error, std::fabs(exact[i] - fast[i]));
  }
  EXPECT_GT(error, 0);  // the activations are rounded to bytes
  EXPECT_LT(error, 0.02f * largest);
}

TEST(Model, ObserverSeesTheInputOfEveryProduct) {
  LoadedModel loaded = LoadModelOrDie(SourcePath(kShakespeareQ4));
  const std::vector<WeightReport> report = loaded.model->Report();
  std::map<std::string, int64_t> rows;
  std::map<std::string, std::vector<float>> inputs;
  loaded.model->ObserveInputs([&](const Model::ObservedInput& input) {
    const WeightReport& weight = report[input.matrix];
    EXPECT_EQ(input.cols, weight.k) << weight.name;
    EXPECT_EQ(input.part, 0u) << weight.name;
    rows[weight.name] += input.count;
    inputs[weight.name].assign(input.rows, input.rows + input.cols);
  });
  Sequences sequences(*loaded.model, KvType::kF16, 1);
  sequences.Step({{0, {871, 2007, 5}}});
  EXPECT_EQ(rows.size(), report.size() - 1) << "the embedding is only looked up";
  EXPECT_EQ(rows["blk.0.attn_q.weight"], 3);
  EXPECT_EQ(rows["blk.4.ffn_down.weight"], 3);
  EXPECT_EQ(rows["blk.5.attn_v.weight"], 3);
  EXPECT_EQ(rows["blk.5.attn_output.weight"], 1) << "behind the last attention one row is left";
  EXPECT_EQ(rows["output.weight"], 1);
  EXPECT_EQ(inputs["blk.2.attn_q.weight"], inputs["blk.2.attn_v.weight"]);
  EXPECT_NE(inputs["blk.2.attn_q.weight"], inputs["blk.3.attn_q.weight"]);
  loaded.model->ObserveInputs({});
  sequences.Step({{0, {7}}});
  EXPECT_EQ(rows["output.weight"], 1);
}

TEST(Model, ObserverSeesEveryExpertsRows) {
  LoadedModel loaded = LoadModelOrDie(SourcePath("tests/golden/families/mixtral"), "reference");
  const std::vector<WeightReport> report = loaded.model->Report();
  std::map<std::string, std::vector<int64_t>> rows;
  loaded.model->ObserveInputs([&](const Model::ObservedInput& input) {
    std::vector<int64_t>& counts = rows[report[input.matrix].name];
    counts.resize(std::max(counts.size(), input.part + 1));
    counts[input.part] += input.count;
  });
  const std::vector<int32_t> prompt = {7, 12, 45, 90, 41, 5, 77};
  Sequences(*loaded.model, KvType::kF32, 1).Step({{0, prompt}});
  int64_t sum = 0;
  for (const int64_t count : rows["blk.0.ffn_up_exps.weight"]) sum += count;
  const auto tokens = static_cast<int64_t>(prompt.size());
  EXPECT_EQ(sum, loaded.model->config().experts_used * tokens);
  EXPECT_EQ(rows["blk.0.ffn_down_exps.weight"], rows["blk.0.ffn_up_exps.weight"]);
  EXPECT_EQ(rows["blk.0.ffn_gate_exps.weight"], rows["blk.0.ffn_up_exps.weight"]);
  EXPECT_EQ(rows["blk.0.ffn_gate_inp.weight"], std::vector<int64_t>{tokens});
}

absl::StatusOr<std::unique_ptr<Model>> LoadQuantized(const LoadedModel& with, const char* path,
                                                     const QuantFormat& format) {
  const auto checkpoint = Checkpoint::Open(SourcePath(path));
  LoadOptions options;
  options.quantize_to = format;
  return Model::Load(**checkpoint, *with.kernels, *with.pool, options);
}

TEST(QuantizeTo, GivesTheModelThatAFileOfTheFormatHolds) {
  const LoadedModel full = LoadModelOrDie(SourcePath(kShakespeareF16));
  const std::vector<int32_t> prompt = {1, 40, 7, 300, 12};
  const std::vector<float> expected =
      Sequences(*full.model, KvType::kF32, 1).Step({{0, prompt}})[0];
  double last_error = 0;
  // Fewer bits, fewer bytes, larger error, but never another model.
  for (const QuantFormat& format : {kF16, kQ8_0, kQ6_K, kQ4_0}) {
    const auto model = LoadQuantized(full, kShakespeareF16, format);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ((*model)->Report()[0].format, FormatName(format));
    EXPECT_EQ((*model)->weight_bytes() < full.model->weight_bytes(), format != kF16);
    const std::vector<float> logits = Sequences(**model, KvType::kF32, 1).Step({{0, prompt}})[0];
    double error = 0, size = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      error += std::pow(logits[i] - expected[i], 2);
      size += std::pow(expected[i], 2);
    }
    error = std::sqrt(error / size);
    if (format == kF16) {
      EXPECT_EQ(error, 0);
    } else {
      EXPECT_GT(error, last_error) << FormatName(format);
    }
    EXPECT_LT(error, 0.2) << FormatName(format);
    last_error = error;
  }
}

TEST(QuantizeTo, RefusesWhatItCannotDoAndNamesTheTensor) {
  const LoadedModel with = LoadModelOrDie(SourcePath(kShakespeareF16));
  const auto error = [&](const char* path, const QuantFormat& format) {
    const absl::Status status = LoadQuantized(with, path, format).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_NE(error(kShakespeareQ4, kQ8_0).find("token_embd.weight: is quantized already"),
            std::string::npos);
  EXPECT_NE(error(kShakespeareF16, AffineFormat(4, 208, ZeroType::kCode))
                .find("token_embd.weight: has rows of 256 weights, no multiple of the 208"),
            std::string::npos);
}

}  // namespace
}  // namespace quantd
