#include "runtime/model/chunk_reader.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/model/model_fixture.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using testing::ElementsAre;

class ChunkReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int32_t i = 0; i < 30; ++i) tokens_.push_back(300 + 41 * i % 900);
  }

  LoadedModel loaded_ = LoadModelOrDie(SourcePath("config/models/shakespeare-6m-Q8_0.gguf"));
  std::vector<int32_t> tokens_;
};

TEST_F(ChunkReaderTest, ScoresTheSecondHalfWithTheTokensThatFollow) {
  ChunkReader reader(*loaded_.model, 10, KvType::kF32);
  const absl::Span<const int32_t> chunk(tokens_.data(), 10);
  reader.Step(chunk, 0, 4);
  EXPECT_EQ(reader.scored(), 0);
  reader.Step(chunk, 4, 7);
  ASSERT_EQ(reader.scored(), 2);  // positions 5 and 6
  EXPECT_EQ(reader.target(0), tokens_[6]);
  EXPECT_EQ(reader.target(1), tokens_[7]);
  reader.Step(chunk, 7, 10);
  ASSERT_EQ(reader.scored(), 2);  // after position 9 nothing follows
  EXPECT_EQ(reader.target(1), tokens_[9]);
  // The same logits as in one piece.
  Sequences sequences(*loaded_.model, KvType::kF32, 1);
  const auto whole =
      sequences.Step({{0, {tokens_.begin(), tokens_.begin() + 9}}}, /*all_rows=*/true)[0];
  const size_t vocab = loaded_.model->config().vocab;
  for (size_t i = 0; i < vocab; ++i) ASSERT_EQ(reader.logits(1)[i], whole[8 * vocab + i]);
}

TEST_F(ChunkReaderTest, ChunksStartAnewAndTakeTheBos) {
  ChunkOptions options;
  options.chunk = 12;
  options.bos = 1;
  ChunkReader reader(*loaded_.model, 12, KvType::kF16);
  ChunkReader other(*loaded_.model, 12, KvType::kF16);
  std::vector<int64_t> visited;
  std::vector<float> first;
  const auto visit = [&] {
    visited.push_back(reader.scored());
    EXPECT_EQ(other.scored(), reader.scored());
    EXPECT_EQ(other.target(0), reader.target(0));
    first.push_back(reader.logits(0)[300]);
  };
  const auto chunks =
      ReadChunks(loaded_.model->config(), tokens_, options, {&reader, &other}, visit);
  ASSERT_TRUE(chunks.ok()) << chunks.status();
  EXPECT_EQ(*chunks, 2);
  EXPECT_THAT(visited, ElementsAre(5, 5));
  // The second chunk alone, with its first token replaced.
  std::vector<int32_t> second(tokens_.begin() + 12, tokens_.begin() + 19);
  second[0] = 1;
  Sequences sequences(*loaded_.model, KvType::kF16, 1);
  EXPECT_EQ(sequences.Step({{0, second}})[0][300], first[1]);
}

}  // namespace
}  // namespace quantd
