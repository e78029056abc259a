#include "runtime/convert/quantize_model.h"

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/formats/gguf_writer.h"
#include "runtime/formats/scheme_table.h"
#include "runtime/model/perplexity.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/runtime/formats/gguf_builder.h"
#include "tests/runtime/model/model_fixture.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using testing::HasSubstr;

constexpr char kSource[] = "config/models/shakespeare-6m-f16.gguf";

class QuantizeModelTest : public testing::Test {
 protected:
  std::unique_ptr<GgufFile> Open(const std::string& path) {
    auto file = GgufFile::Open(path);
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }
  std::unique_ptr<Checkpoint> OpenSource(const std::string& path) {
    auto checkpoint = Checkpoint::Open(path);
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    return *std::move(checkpoint);
  }
  absl::StatusOr<std::vector<QuantizedTensor>> Quantize(const Checkpoint& source,
                                                        const std::string& type,
                                                        const QuantizeModelOptions& options = {}) {
    return QuantizeModel(source, *FormatMix::Find(type), folder_.Path("out.gguf"), pool_, options);
  }

  TemporaryFolder folder_;
  ThreadPool pool_{2};
};

TEST_F(QuantizeModelTest, WritesTypesMetadataAndErrors) {
  const auto source = OpenSource(SourcePath(kSource));
  const auto tensors = Quantize(*source, "Q4_K_M");
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  const auto output = Open(folder_.Path("out.gguf"));
  EXPECT_EQ(*output->Uint("general.file_type"), 15u);
  EXPECT_EQ(*output->Uint("general.quantization_version"), 2u);
  EXPECT_EQ(*output->String("general.name"), *source->gguf()->String("general.name"));
  EXPECT_EQ(output->tensors().size(), source->tensors().size());
  // The same types as in the file that another program made from this model.
  const auto other = Open(SourcePath("config/models/shakespeare-6m-Q4_K_M.gguf"));
  for (const QuantizedTensor& result : *tensors) {
    const GgufTensor* written = output->FindTensor(result.name);
    ASSERT_NE(written, nullptr);
    EXPECT_EQ(written->type, other->FindTensor(result.name)->type) << result.name;
    EXPECT_EQ(result.to, KnownGgufTypeName(written->type));
    EXPECT_EQ(result.to_bytes, written->bytes);
    EXPECT_EQ(result.quantized(), written->shape.size() == 2);
    // The errors are those of what is in the file.
    const std::vector<float> before = *source->ReadFloats(*source->Find(result.name));
    const std::vector<float> after = *ReadFloats(*output, *written);
    double squares = 0, sum = 0, largest = 0;
    for (size_t i = 0; i < before.size(); ++i) {
      const double error = std::fabs(double{after[i]} - before[i]);
      squares += error * error;
      sum += double{before[i]} * before[i];
      largest = std::max(largest, error);
    }
    EXPECT_NEAR(result.RelativeError(), std::sqrt(squares / sum), 1e-9) << result.name;
    EXPECT_EQ(result.max_error, largest) << result.name;
    if (result.quantized()) {
      EXPECT_LT(result.RelativeError(), 0.09) << result.name;
      EXPECT_GT(result.RelativeError(), 0.001) << result.name;
    }
  }
}

TEST_F(QuantizeModelTest, DoesNotDependOnTheThreads) {
  const auto source = OpenSource(SourcePath(kSource));
  ASSERT_TRUE(Quantize(*source, "Q4_0").ok());
  const std::string two = ReadFileOrDie(folder_.Path("out.gguf"));
  ThreadPool one(1);
  ASSERT_TRUE(
      QuantizeModel(*source, *FormatMix::Find("Q4_0"), folder_.Path("one.gguf"), one, {}).ok());
  EXPECT_TRUE(ReadFileOrDie(folder_.Path("one.gguf")) == two);
}

/// Some calibrated columns are kept better, at the cost of the others.
TEST_F(QuantizeModelTest, ImportanceReachesTheEncoder) {
  const auto source = OpenSource(SourcePath(kSource));
  const std::string name = "blk.0.attn_q.weight";
  QuantizeModelOptions options;
  std::vector<float>& columns = options.importance[name];
  columns.assign(256, 1e-3f);
  for (int c = 0; c < 256; c += 8) columns[c] = 1.0f;
  const auto error_of_important = [&](const QuantizeModelOptions& with) {
    EXPECT_TRUE(Quantize(*source, "Q4_0", with).ok());
    const auto output = Open(folder_.Path("out.gguf"));
    const std::vector<float> before = *source->ReadFloats(*source->Find(name));
    const std::vector<float> after = *ReadFloats(*output, *output->FindTensor(name));
    double sum = 0;
    for (size_t i = 0; i < before.size(); i += 8) sum += std::pow(after[i] - before[i], 2);
    return sum;
  };
  EXPECT_LT(error_of_important(options), 0.6 * error_of_important({}));
  columns.pop_back();
  const absl::Status status = Quantize(*source, "Q4_0", options).status();
  EXPECT_THAT(status.ToString(), HasSubstr("blk.0.attn_q.weight has 255 columns, not 256"));
}

TEST_F(QuantizeModelTest, RowsThatDoNotFitGetAnotherType) {
  GgufWriter writer;
  writer.SetString("general.architecture", "llama");
  writer.SetUint32("llama.block_count", 1);
  const uint32_t f32 = FindGgufScheme("F32")->type_id;
  writer.AddTensor("blk.0.ffn_down.weight", {172, 4}, f32);
  writer.AddTensor("blk.0.attn_q.weight", {96, 2}, f32);
  writer.AddTensor("blk.0.attn_norm.weight", {96}, f32);
  writer.AddTensor("blk.0.ffn_gate_inp.weight", {256, 2}, f32);
  writer.AddTensor("blk.0.ffn_up_exps.weight", {256, 2, 2}, f32);
  const auto fill = [](size_t index, std::vector<uint8_t>* bytes) {
    const size_t counts[] = {172 * 4, 96 * 2, 96, 512, 1024};
    std::vector<float> weights(counts[index]);
    for (size_t i = 0; i < weights.size(); ++i) {
      weights[i] = static_cast<float>(std::sin(0.7 * static_cast<double>(i)));
    }
    bytes->resize(weights.size() * sizeof(float));
    std::memcpy(bytes->data(), weights.data(), bytes->size());
    return absl::OkStatus();
  };
  ASSERT_TRUE(writer.Write(folder_.Path("in.gguf"), fill).ok());
  const auto source = OpenSource(folder_.Path("in.gguf"));
  const auto tensors = Quantize(*source, "Q4_K");
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  const char* types[] = {"F16", "Q5_0", "F32", "F32", "Q4_K"};
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ((*tensors)[i].to, types[i]) << (*tensors)[i].name;
  const auto output = Open(folder_.Path("out.gguf"));
  EXPECT_EQ(output->FindTensor("blk.0.ffn_up_exps.weight")->shape,
            (std::vector<int64_t>{256, 2, 2}));
  EXPECT_LT((*tensors)[4].RelativeError(), 0.1);
}

TEST_F(QuantizeModelTest, AQuantizedSourceIsRefusedByName) {
  const auto source = OpenSource(SourcePath("config/models/shakespeare-6m-Q8_0.gguf"));
  const absl::Status status = Quantize(*source, "Q4_0").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("weight: is Q8_0 already"));
  EXPECT_EQ(folder_.FileCount(), 0u);
}

TEST_F(QuantizeModelTest, CancelledItLeavesNothing) {
  const auto source = OpenSource(SourcePath(kSource));
  QuantizeModelOptions options;
  uint64_t last = 0;
  options.progress = [&](const QuantizeProgress& progress) {
    EXPECT_GT(progress.done_bytes, last);
    EXPECT_LE(progress.done_bytes, progress.total_bytes);
    last = progress.done_bytes;
    return progress.tensor != "blk.0.attn_k.weight";
  };
  EXPECT_EQ(Quantize(*source, "Q4_0", options).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(folder_.FileCount(), 0u);
}

/// Divergence from the source on a text: small, and the smaller the more bits.
TEST_F(QuantizeModelTest, QuantizedModelsStayClose) {
  const auto source = OpenSource(SourcePath(kSource));
  const auto tokenizer = Tokenizer::FromGguf(*source->gguf());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  std::string text;
  for (int i = 0; i < 6; ++i) {
    text +=
        "BRUTUS:\nI do believe that these applauses are\nFor some new honours that are heap'd "
        "on Caesar.\n\nCASSIUS:\nWhy, man, he doth bestride the narrow world\nLike a Colossus, "
        "and we petty men\nWalk under his huge legs and peep about.\n\n";
  }
  const std::vector<int32_t> tokens = (*tokenizer)->Encode(text, {});
  LoadedModel reference = LoadModelOrDie(SourcePath(kSource));
  ChunkOptions chunks;
  chunks.chunk = 128;
  const std::pair<const char*, double> limits[] = {
      {"Q8_0", 0.0005}, {"Q6_K", 0.002}, {"Q5_K_M", 0.004}, {"Q4_K_M", 0.012}, {"Q3_K_M", 0.05}};
  double last = 0;
  for (const auto& [type, limit] : limits) {
    ASSERT_TRUE(Quantize(*source, type).ok());
    LoadedModel quantized = LoadModelOrDie(folder_.Path("out.gguf"));
    const auto compared = CompareModels({*quantized.model, KvType::kF16},
                                        {*reference.model, KvType::kF16}, tokens, chunks);
    ASSERT_TRUE(compared.ok()) << compared.status();
    EXPECT_LT(compared->kl_mean, limit) << type;
    EXPECT_GT(compared->kl_mean, last) << type;
    last = compared->kl_mean;
    EXPECT_NEAR(compared->model.perplexity / compared->reference.perplexity, 1, 0.05) << type;
  }
}

}  // namespace
}  // namespace quantd
