#include "runtime/tokenizer/ids_only_tokenizer.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(IdsOnlyTokenizerTest, HasTokensButNoText) {
  const absl::Status why = absl::UnimplementedError("m: tokenizer: of an unknown kind");
  const IdsOnlyTokenizer tokenizer(100, 1, {7, 2}, why);
  EXPECT_EQ(tokenizer.CheckText(), why);
  EXPECT_EQ(tokenizer.vocab_size(), 100);
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 7);
  EXPECT_THAT(tokenizer.end_ids(), ElementsAre(7, 2));
  EXPECT_THAT(tokenizer.Encode("some text", {}), IsEmpty());
  for (const int32_t id : {0, 7, 99, 100, -1}) EXPECT_EQ(tokenizer.TokenBytes(id), "") << id;
  EXPECT_EQ(tokenizer.Decode({3, 4, 5}), "");
}

TEST(IdsOnlyTokenizerTest, MayHaveNoSpecialTokens) {
  const IdsOnlyTokenizer tokenizer(3, std::nullopt, {}, absl::NotFoundError("none"));
  EXPECT_EQ(tokenizer.bos(), std::nullopt);
  EXPECT_EQ(tokenizer.eos(), std::nullopt);
  EXPECT_THAT(tokenizer.end_ids(), IsEmpty());
}

}  // namespace
}  // namespace quantd
