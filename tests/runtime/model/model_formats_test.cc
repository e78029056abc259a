// The demo model in every format there are kernels for, quantized as it is loaded.

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/model/format_speed.h"
#include "runtime/model/perplexity.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/runtime/model/model_fixture.h"
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

class ModelFormatsTest : public testing::TestWithParam<ComparedFormat> {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    const bool chosen = GetParam().format == kQ4_K;
    if (!chosen) GTEST_SKIP() << "one format will do under a sanitizer: kernels have own tests";
#endif
    options_.quantize_to = GetParam().format;
    quantized_ = LoadModelOrDie(SourcePath(kModel), "", 2, options_);
  }

  LoadOptions options_;
  LoadedModel quantized_;
};

TEST_P(ModelFormatsTest, PerplexityIsWithinHalfAPercentOfFloatMathOnTheSameWeights) {
  const std::vector<int32_t> tokens = ReadTokens(/*count=*/1024);
  ChunkOptions chunks;
  chunks.chunk = 128;
  ASSERT_GE(tokens.size(), 2u * chunks.chunk);
  options_.decode_to_float = true;
  const LoadedModel in_float = LoadModelOrDie(SourcePath(kModel), "", 2, options_);
  const auto compared = CompareModels({*quantized_.model, KvType::kF16},
                                      {*in_float.model, KvType::kF32}, tokens, chunks);
  ASSERT_TRUE(compared.ok()) << compared.status();
  EXPECT_NEAR(compared->model.perplexity / compared->reference.perplexity, 1, 0.005);
  EXPECT_LT(compared->kl_mean, 0.001);
  EXPECT_GT(compared->top1_agreement, 0.97);
  std::cout << GetParam().name << ": perplexity " << compared->model.perplexity << ", in float "
            << compared->reference.perplexity << ", KL divergence " << compared->kl_mean << "\n";
}

TEST_P(ModelFormatsTest, GreedyIdsAreTheSameInEveryBatch) {
  constexpr int kLargest = 16;
  std::vector<std::vector<int32_t>> alone;
  for (int i = 0; i < kLargest; ++i) alone.push_back(GreedyIds(*quantized_.model, i, i + 1)[0]);
  for (int size = 2; size <= kLargest; ++size) {
    // The last so many, so that a sequence changes its place from batch to batch.
    const int first = kLargest - size;
    EXPECT_EQ(GreedyIds(*quantized_.model, first, kLargest),
              std::vector<std::vector<int32_t>>(alone.begin() + first, alone.end()))
        << "batch of " << size;
  }
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
