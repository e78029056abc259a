#include "runtime/formats/synth.h"

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/formats/gguf.h"
#include "runtime/formats/gguf_writer.h"
#include "runtime/formats/scheme_table.h"
#include "tests/runtime/formats/gguf_builder.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;

SynthOptions TinyOptions(const TemporaryFolder& folder, const std::string& format) {
  SynthOptions options;
  options.shape = "tiny";
  options.format = format;
  options.vocab_path = SourcePath("config/models/shakespeare-6m-Q4_0.gguf");
  options.output_path = folder.Path(format + ".gguf");
  return options;
}

/// A vocabulary of three tokens, without scores or types unless asked for.
std::string WriteSmallVocabulary(const TemporaryFolder& folder, bool complete) {
  GgufWriter writer;
  writer.SetString("tokenizer.ggml.model", "llama");
  writer.SetString("general.name", "not to be copied");
  writer.SetStrings("tokenizer.ggml.tokens", {"<unk>", "a", "b"});
  if (complete) {
    writer.SetFloats("tokenizer.ggml.scores", {-1, -2, -3});
    writer.SetInts("tokenizer.ggml.token_type", {2, 1, 1});
  }
  EXPECT_TRUE(writer.Write(folder.Path("vocab.gguf"), nullptr).ok());
  return folder.Path("vocab.gguf");
}

TEST(Synth, WritesEveryFormatThatFitsTheShape) {
  const TemporaryFolder folder;
  for (const GgufScheme& scheme : GgufSchemes()) {
    if (64 % scheme.block_weights != 0) continue;
    const SynthOptions options = TinyOptions(folder, scheme.name);
    ASSERT_TRUE(WriteSyntheticModel(options).ok());
    const auto file = GgufFile::Open(options.output_path);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(*(*file)->String("general.architecture"), "llama");
    EXPECT_EQ(*(*file)->Uint("llama.vocab_size"), 2048u);
    EXPECT_EQ((*file)->tensors().size(), 3u + 2 * 9);
    EXPECT_EQ((*file)->FindTensor("token_embd.weight")->shape, (std::vector<int64_t>{64, 2048}));
    EXPECT_EQ((*file)->FindTensor("blk.1.attn_v.weight")->shape, (std::vector<int64_t>{64, 32}));
    EXPECT_EQ((*file)->FindTensor("blk.1.ffn_down.weight")->shape, (std::vector<int64_t>{128, 64}));
    EXPECT_EQ((*file)->FindTensor("blk.0.ffn_up.weight")->type, scheme.type_id);
    EXPECT_EQ(*ReadFloats(**file, *(*file)->FindTensor("output_norm.weight")),
              std::vector<float>(64, 1.0f));
  }
}

TEST(Synth, AMixGivesEachMatrixItsType) {
  const TemporaryFolder folder;
  SynthOptions options = TinyOptions(folder, "Q4_K_M");
  options.shape = "125m";
  options.vocab_path = WriteSmallVocabulary(folder, true);
  ASSERT_TRUE(WriteSyntheticModel(options).ok());
  const auto file = GgufFile::Open(options.output_path);
  ASSERT_TRUE(file.ok()) << file.status();
  const auto type = [&](const std::string& name) {
    return std::string(KnownGgufTypeName((*file)->FindTensor(name + ".weight")->type));
  };
  EXPECT_EQ(type("token_embd"), "Q4_K");
  EXPECT_EQ(type("output"), "Q6_K");
  EXPECT_EQ(type("output_norm"), "F32");
  for (int layer = 0; layer < 12; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    const std::set<int> sensitive = {0, 3, 6, 9, 10, 11};
    const std::string expected = sensitive.count(layer) > 0 ? "Q6_K" : "Q4_K";
    EXPECT_EQ(type(prefix + "attn_v"), expected) << layer;
    EXPECT_EQ(type(prefix + "ffn_down"), expected) << layer;
    EXPECT_EQ(type(prefix + "attn_k"), "Q4_K");
    EXPECT_EQ(type(prefix + "ffn_gate"), "Q4_K");
  }
}

TEST(Synth, WeightsAreBellShapedAroundZero) {
  const TemporaryFolder folder;
  const SynthOptions options = TinyOptions(folder, "F32");
  ASSERT_TRUE(WriteSyntheticModel(options).ok());
  const auto file = GgufFile::Open(options.output_path);
  ASSERT_TRUE(file.ok()) << file.status();
  const std::vector<float> weights = *ReadFloats(**file, *(*file)->FindTensor("token_embd.weight"));
  double sum = 0, squares = 0, within = 0;
  for (const float weight : weights) {
    sum += weight;
    squares += weight * weight;
    within += std::fabs(weight) < 0.02f;
  }
  const double count = static_cast<double>(weights.size());
  EXPECT_NEAR(sum / count, 0, 5 * 0.02 / std::sqrt(count));
  EXPECT_NEAR(std::sqrt(squares / count), 0.02, 0.0003);
  EXPECT_NEAR(within / count, 0.67, 0.02);  // the normal distribution has 0.683
}

TEST(Synth, TheSeedDecidesEveryByte) {
  const TemporaryFolder folder;
  SynthOptions options = TinyOptions(folder, "Q4_0");
  ASSERT_TRUE(WriteSyntheticModel(options).ok());
  const std::string first = ReadFileOrDie(options.output_path);
  ASSERT_TRUE(WriteSyntheticModel(options).ok());
  EXPECT_EQ(ReadFileOrDie(options.output_path), first);
  options.seed = 2;
  ASSERT_TRUE(WriteSyntheticModel(options).ok());
  EXPECT_NE(ReadFileOrDie(options.output_path), first);
}

TEST(Synth, PadsASmallVocabularyWithUnusedTokens) {
  const TemporaryFolder folder;
  for (const bool complete : {false, true}) {
    SynthOptions options = TinyOptions(folder, "Q8_0");
    options.vocab_path = WriteSmallVocabulary(folder, complete);
    ASSERT_TRUE(WriteSyntheticModel(options).ok());
    const auto file = GgufFile::Open(options.output_path);
    ASSERT_TRUE(file.ok()) << file.status();
    const GgufArray& tokens = **(*file)->OptionalStringArray("tokenizer.ggml.tokens");
    ASSERT_EQ(tokens.count, 64u);
    EXPECT_EQ(tokens.strings[2], "b");
    EXPECT_EQ(tokens.strings[3], "<unused_3>");
    EXPECT_EQ(tokens.strings[63], "<unused_63>");
    const std::vector<int32_t> types = **(*file)->OptionalIntArray("tokenizer.ggml.token_type");
    ASSERT_EQ(types.size(), 64u);
    EXPECT_EQ(types[0], complete ? 2 : 1);
    EXPECT_EQ(types[2], 1);
    EXPECT_EQ(types[3], 5);
    const auto scores = *(*file)->OptionalFloatArray("tokenizer.ggml.scores");
    ASSERT_EQ(scores.has_value(), complete);
    if (complete) {
      ASSERT_EQ(scores->size(), 64u);
      EXPECT_EQ((*scores)[2], -3);
    }
    EXPECT_EQ(*(*file)->String("general.name"), "synthetic tiny");
  }
}

TEST(Synth, ProgressEndsAtTheTotal) {
  const TemporaryFolder folder;
  SynthOptions options = TinyOptions(folder, "Q5_1");
  std::vector<std::pair<uint64_t, uint64_t>> calls;
  options.progress = [&](uint64_t done, uint64_t total) { calls.emplace_back(done, total); };
  ASSERT_TRUE(WriteSyntheticModel(options).ok());
  ASSERT_EQ(calls.size(), 21u);
  for (size_t i = 1; i < calls.size(); ++i) EXPECT_LT(calls[i - 1].first, calls[i].first);
  EXPECT_EQ(calls.back().first, calls.back().second);
}

TEST(Synth, NamesTheOptionThatIsWrong) {
  const TemporaryFolder folder;
  const auto message = [&](void (*change)(SynthOptions*)) {
    SynthOptions options = TinyOptions(folder, "Q4_0");
    change(&options);
    const absl::Status status = WriteSyntheticModel(options);
    EXPECT_FALSE(status.ok());
    return status.ToString();
  };
  EXPECT_THAT(message([](SynthOptions* o) { o->shape = "70b"; }),
              HasSubstr("INVALID_ARGUMENT: shape: \"70b\" is unknown; known are tiny, 125m"));
  EXPECT_THAT(message([](SynthOptions* o) { o->format = "Q2"; }),
              HasSubstr("INVALID_ARGUMENT: format: \"Q2\" is unknown; known are F32, F16"));
  EXPECT_THAT(message([](SynthOptions* o) { o->format = "Q6_K"; }),
              HasSubstr("blocks of 256 weights, of which rows of 64"));
  EXPECT_THAT(message([](SynthOptions* o) { o->vocab_path = "/nonexistent"; }),
              HasSubstr("NOT_FOUND: /nonexistent"));
  EXPECT_EQ(folder.FileCount(), 0u);
}

TEST(Synth, ShapesAreThoseOfLlamaModels) {
  for (const SynthShape& shape : SynthShapes()) {
    EXPECT_EQ(FindSynthShape(shape.name), &shape);
    EXPECT_EQ(shape.dim % shape.heads, 0) << shape.name;
    EXPECT_EQ(shape.heads % shape.kv_heads, 0) << shape.name;
    EXPECT_EQ(shape.head_dim() % 2, 0) << shape.name;
    EXPECT_EQ(shape.ff % 32, 0) << shape.name;
  }
}

}  // namespace
}  // namespace quantd
