#include "runtime/engine/generation.h"

#include "gtest/gtest.h"
#include "tests/runtime/engine/fakes.h"

namespace quantd {
namespace {

class GenerationTest : public testing::Test {
 protected:
  // Feeds ids until one ends the sequence; returns the last step and collects the text.
  Generation::Step Feed(Generation* generation, const std::vector<int32_t>& ids) {
    Generation::Step step;
    for (int32_t id : ids) {
      EXPECT_FALSE(step.finish.has_value()) << "a token after the end";
      step = generation->Accept({id, 0.0f, {}});
      EXPECT_EQ(step.delta.tokens.size(), 1u);
      text_ += step.delta.text;
    }
    return step;
  }

  FakeTokenizer tokenizer_;
  Request request_;
  std::string text_;
};

TEST_F(GenerationTest, LengthEndsAndFlushes) {
  Generation generation(request_, 3, &tokenizer_);
  const auto step = Feed(&generation, {8, 9, 60});  // "hi" and half a character
  EXPECT_EQ(step.finish, FinishReason::kLength);
  EXPECT_EQ(text_, "hi\xEF\xBF\xBD");
  EXPECT_EQ(generation.Flush(), "");
}

TEST_F(GenerationTest, StopOnTheLastAllowedTokenIsAStop) {
  request_.stop = {"hi"};
  Generation generation(request_, 2, &tokenizer_);
  const auto step = Feed(&generation, {8, 9});
  EXPECT_EQ(step.finish, FinishReason::kStop);
  EXPECT_EQ(step.matched_stop, "hi");
  EXPECT_EQ(text_, "");
}

TEST_F(GenerationTest, StopIdReleasesWhatWasHeldBack) {
  request_.stop = {"hit"};
  Generation generation(request_, 10, &tokenizer_);
  const auto step = Feed(&generation, {8, 9, kFakeEos});
  EXPECT_EQ(step.finish, FinishReason::kStop);
  EXPECT_EQ(step.matched_stop_id, kFakeEos);
  EXPECT_EQ(text_, "hi");
}

TEST_F(GenerationTest, IgnoreEosStillObeysStopIds) {
  request_.ignore_eos = true;
  request_.stop_ids = {9, 9};
  Generation generation(request_, 10, &tokenizer_);
  const auto step = Feed(&generation, {kFakeEos, kFakeEos, 9});
  EXPECT_EQ(step.matched_stop_id, 9);
  EXPECT_EQ(generation.tokens(), 3);
}

TEST_F(GenerationTest, StopIdsAreBannedBeforeMinTokens) {
  request_.min_tokens = 2;
  request_.stop_ids = {7, 3};
  Generation generation(request_, 10, &tokenizer_);
  EXPECT_EQ(std::vector<int32_t>(generation.BannedNext().begin(), generation.BannedNext().end()),
            (std::vector<int32_t>{kFakeEos, 3, 7}));
  Feed(&generation, {8});
  EXPECT_EQ(generation.BannedNext().size(), 3u);
  Feed(&generation, {8});
  EXPECT_TRUE(generation.BannedNext().empty());
}

TEST_F(GenerationTest, StopStringMayBeginInsideATokenAndEndInsideAnother) {
  request_.stop = {"ab"};
  Generation generation(request_, 10, &tokenizer_);
  const auto step = Feed(&generation, {30, 29});  // "ca", "ba": the text is "caba"
  EXPECT_EQ(step.matched_stop, "ab");
  EXPECT_EQ(text_, "c");
}

}  // namespace
}  // namespace quantd
