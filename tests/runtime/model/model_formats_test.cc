// The demo model in every format there are kernels for, quantized as it is loaded.

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/model/format_speed.h"
#include "runtime/model/perplexity.h"
#include "runtime/quantize/quantized_source.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/kernels/gemm/gemm_test_util.h"
#include "tests/runtime/model/model_fixture.h"
#include "tests/support/sanitizers.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

constexpr char kModel[] = "config/models/shakespeare-6m-f16.gguf";

// From Hamlet, which the demo model knows: enough for a figure where there is no held-out text.
constexpr char kShortText[] =
    "HAMLET:\nTo be, or not to be: that is the question:\nWhether 'tis nobler in the mind to "
    "suffer\nThe slings and arrows of outrageous fortune,\nOr to take arms against a sea of "
    "troubles,\nAnd by opposing end them? To die: to sleep;\nNo more; and by a sleep to say we "
    "end\nThe heart-ache and the thousand natural shocks\nThat flesh is heir to, 'tis a "
    "consummation\nDevoutly to be wish'd. To die, to sleep;\nTo sleep: perchance to dream: ay, "
    "there's the rub;\nFor in that sleep of death what dreams may come\nWhen we have shuffled off "
    "this mortal coil,\nMust give us pause: there's the respect\nThat makes calamity of so long "
    "life;\nFor who would bear the whips and scorns of time,\nThe oppressor's wrong, the proud "
    "man's contumely,\nThe pangs of despised love, the law's delay,\nThe insolence of office and "
    "the spurns\nThat patient merit of the unworthy takes,\nWhen he himself might his quietus "
    "make\nWith a bare bodkin?\n";

std::vector<ComparedFormat> AllFormats() {
  std::vector<ComparedFormat> formats;
  for (const NamedFormat& named : NamedFormats()) formats.push_back({named.name, named.format});
  for (const int bits : {2, 3, 4, 8}) {
    for (const ZeroType zero : {ZeroType::kMidpoint, ZeroType::kCode}) {
      const QuantFormat affine = AffineFormat(bits, 128, zero);
      formats.push_back({FormatName(affine), affine});
    }
  }
  return formats;
}

/// `count` tokens of the held-out text, or what there is of the short one.
std::vector<int32_t> ReadTokens(size_t count) {
  const auto file = GgufFile::Open(SourcePath(kModel));
  if (!file.ok()) ADD_FAILURE() << file.status();
  const auto tokenizer = Tokenizer::FromGguf(**file);
  if (!tokenizer.ok()) ADD_FAILURE() << tokenizer.status();
  const std::string path = TestDataPath("text/shakespeare-heldout.txt");
  std::vector<int32_t> tokens =
      (*tokenizer)->Encode(path.empty() ? kShortText : ReadFileOrDie(path), {});
  tokens.resize(std::min(tokens.size(), count));
  return tokens;
}

int32_t Greedy(const std::vector<float>& logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// The ids that follow a prompt of each of the sequences [first, end), all in one batch.
std::vector<std::vector<int32_t>> GreedyIds(Model& model, int first, int end) {
  constexpr int kIds = 6;
  Sequences sequences(model, KvType::kF16, end - first);
  std::vector<Sequences::Piece> pieces;
  for (int i = first; i < end; ++i) pieces.push_back({i, {1, 40 + 3 * i, 300 - i}});
  std::vector<std::vector<int32_t>> ids(pieces.size());
  for (int step = 0; step < kIds; ++step) {
    const std::vector<std::vector<float>> logits = sequences.Step(pieces);
    for (size_t i = 0; i < pieces.size(); ++i) {
      ids[i].push_back(Greedy(logits[i]));
      pieces[i].tokens = {ids[i].back()};
    }
  }
  return ids;
}

/// The demo model with every matrix quantized to a format, once and in memory: the search for the
/// best scales takes longer than everything that is done with the model afterwards.
class QuantizedCheckpoint : public Checkpoint {
 public:
  QuantizedCheckpoint(std::unique_ptr<Checkpoint> of, const QuantFormat& format)
      : of_(std::move(of)) {
    for (const CheckpointTensor& original : of_->tensors()) {
      CheckpointTensor tensor = original;
      QuantTensor matrix;
      if (tensor.shape.size() > 1) {
        auto sources = of_->OpenWeights(original);
        if (!sources.ok()) ADD_FAILURE() << sources.status();
        const auto quantized = QuantizedTo(format, std::move(sources->front()));
        const absl::Status decoded = quantized->Decode(0, tensor.rows(), &matrix);
        EXPECT_TRUE(decoded.ok()) << decoded;
        tensor.format = format;
      }
      matrices_.push_back(std::move(matrix));
      Add(std::move(tensor));
    }
  }

  const std::string& path() const override { return of_->path(); }
  uint64_t file_bytes() const override { return of_->file_bytes(); }
  std::string container() const override { return of_->container(); }
  size_t file_count() const override { return of_->file_count(); }
  std::string StoredName(absl::string_view name) const override { return of_->StoredName(name); }
  absl::StatusOr<ModelConfig> ReadHyperParameters() const override {
    return of_->ReadHyperParameters();
  }
  std::string LayersKey() const override { return of_->LayersKey(); }
  absl::StatusOr<std::vector<std::unique_ptr<WeightSource>>> OpenWeights(
      const CheckpointTensor& tensor) const override {
    std::vector<std::unique_ptr<WeightSource>> sources;
    sources.push_back(std::make_unique<TensorSource>(matrices_[Index(tensor)]));
    return sources;
  }
  absl::StatusOr<std::vector<float>> ReadFloats(const CheckpointTensor& tensor) const override {
    return of_->ReadFloats(of_->tensors()[Index(tensor)]);
  }
  void GiveBack(const CheckpointTensor& tensor) const override {}

 private:
  const std::unique_ptr<Checkpoint> of_;
  std::vector<QuantTensor> matrices_;  // by tensor; empty of vectors
};

QuantizedCheckpoint Quantized(const QuantFormat& format) {
  auto checkpoint = Checkpoint::Open(SourcePath(kModel));
  if (!checkpoint.ok()) ADD_FAILURE() << checkpoint.status();
  return QuantizedCheckpoint(*std::move(checkpoint), format);
}

void ExpectPerplexityOfFloatMath(Model& quantized, Model& in_float, const std::string& name) {
  const std::vector<int32_t> tokens = ReadTokens(/*count=*/1024);
  ChunkOptions chunks;
  chunks.chunk = 128;
  ASSERT_GE(tokens.size(), 2u * chunks.chunk);
  const auto compared =
      CompareModels({quantized, KvType::kF16}, {in_float, KvType::kF32}, tokens, chunks);
  ASSERT_TRUE(compared.ok()) << compared.status();
  EXPECT_NEAR(compared->model.perplexity / compared->reference.perplexity, 1, 0.005);
  EXPECT_LT(compared->kl_mean, 0.001);
  EXPECT_GT(compared->top1_agreement, 0.97);
  std::cout << name << ": perplexity " << compared->model.perplexity << ", in float "
            << compared->reference.perplexity << ", KL divergence " << compared->kl_mean << "\n";
}

void ExpectTheSameGreedyIdsInEveryBatch(Model& model) {
  constexpr int kLargest = 16;
  std::vector<std::vector<int32_t>> alone;
  for (int i = 0; i < kLargest; ++i) alone.push_back(GreedyIds(model, i, i + 1)[0]);
  for (int size = 2; size <= kLargest; ++size) {
    // The last so many, so that a sequence changes its place from batch to batch.
    const int first = kLargest - size;
    EXPECT_EQ(GreedyIds(model, first, kLargest),
              std::vector<std::vector<int32_t>>(alone.begin() + first, alone.end()))
        << "batch of " << size;
  }
}

class ModelFormatsTest : public testing::TestWithParam<ComparedFormat> {};

// Perplexity within half a percent of float math on the same weights, and no batch changes an id.
TEST_P(ModelFormatsTest, ComputesWhatItsWeightsSayInEveryBatch) {
  const bool chosen = GetParam().format == kQ4_K;
  if (kSanitized && !chosen)
    GTEST_SKIP() << "one format will do under a sanitizer: kernels have own tests";
  const QuantizedCheckpoint checkpoint = Quantized(GetParam().format);
  const LoadedModel quantized = LoadModelOrDie(checkpoint);
  ExpectTheSameGreedyIdsInEveryBatch(*quantized.model);
  LoadOptions decode;
  decode.decode_to_float = true;
  const auto in_float = Model::Load(checkpoint, *quantized.kernels, *quantized.pool, decode);
  ASSERT_TRUE(in_float.ok()) << in_float.status();
  ExpectPerplexityOfFloatMath(*quantized.model, **in_float, GetParam().name);
}

INSTANTIATE_TEST_SUITE_P(Formats, ModelFormatsTest, testing::ValuesIn(AllFormats()),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           for (char& c : name) {
                             if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace quantd
