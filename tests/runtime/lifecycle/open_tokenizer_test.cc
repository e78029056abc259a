#include "runtime/lifecycle/open_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "tests/runtime/model/tiny_hf_model.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(OpenTokenizerTest, GgufFilesHaveTheirOwn) {
  const auto checkpoint = Checkpoint::Open(SourcePath("config/models/shakespeare-6m-Q4_0.gguf"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const auto tokenizer = OpenTokenizer(**checkpoint);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->vocab_size(), 2048);
  EXPECT_TRUE((*tokenizer)->CheckText().ok());
}

TEST(OpenTokenizerTest, FoldersWithoutOneTakeTokenIdsAndSaySo) {
  TinyHfModel tiny;
  tiny.keys["eos_token_id"] = "[2, 5]";
  const auto checkpoint = tiny.Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const auto tokenizer = OpenTokenizer(**checkpoint);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->vocab_size(), 7);
  EXPECT_THAT((*tokenizer)->end_ids(), ElementsAre(2, 5));
  EXPECT_EQ((*tokenizer)->CheckText().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string((*tokenizer)->CheckText().message()),
              AllOf(HasSubstr("tiny"), HasSubstr("token ids")));
}

TEST(OpenTokenizerTest, NeedsAnEmbedding) {
  TinyHfModel tiny;
  tiny.Remove("model.embed_tokens.weight");
  const auto checkpoint = tiny.Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(OpenTokenizer(**checkpoint).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace quantd
