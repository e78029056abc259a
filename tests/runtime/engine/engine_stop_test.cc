// Engine: what ends an output, and the text that is delivered then.
#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/runtime/engine/engine_fixture.h"

namespace quantd {
namespace {

TEST_F(EngineTest, EndTokenStops) {
  Make({});
  int stopped = 0;
  for (int seed = 0; seed < 20; ++seed) {
    const auto expected = GreedyReference(Prompt(5, seed), 100);
    auto sink = Submit(Greedy(Prompt(5, seed), 100));
    const Finish finish = sink->AwaitFinish();
    EXPECT_EQ(sink->ids_, expected);
    const bool ended = expected.back() == kFakeEos;
    EXPECT_EQ(finish.reason, ended ? FinishReason::kStop : FinishReason::kLength);
    EXPECT_EQ(finish.matched_stop_id, ended ? std::optional<int32_t>(kFakeEos) : std::nullopt);
    stopped += ended;
  }
  EXPECT_GT(stopped, 5);
}

TEST_F(EngineTest, StopIdIsDeliveredWithoutText) {
  Make({});
  Request request = Greedy(Prompt(9, 2), 50);
  request.ignore_eos = true;
  const auto ids = GreedyReference(request.prompt, 50, true);
  // An id whose first occurrence is not at the start.
  size_t at = 5;
  while (std::find(ids.begin(), ids.begin() + at, ids[at]) != ids.begin() + at) ++at;
  request.stop_ids = {ids[at]};
  auto sink = Submit(request);
  const Finish finish = sink->AwaitFinish();
  EXPECT_EQ(finish.reason, FinishReason::kStop);
  EXPECT_EQ(finish.matched_stop_id, ids[at]);
  EXPECT_EQ(sink->ids_, std::vector<int32_t>(ids.begin(), ids.begin() + at + 1));
  IncrementalDetokenizer detokenizer(&tokenizer_, false);
  std::string text;
  for (size_t i = 0; i < at; ++i) text += detokenizer.Push(ids[i]);
  EXPECT_EQ(sink->text_, text + detokenizer.Flush());
}

// Forces the output to be given ids, by a bias that no logit can beat.
HistoryExecutor::Hooks Script(int prompt_tokens, std::vector<int32_t> ids) {
  HistoryExecutor::Hooks hooks;
  hooks.spoil = [=](uint64_t, int32_t position, absl::Span<float> logits) {
    const size_t index = position - prompt_tokens + 1;
    if (index < ids.size()) logits[ids[index]] = 50;
  };
  return hooks;
}

TEST_F(EngineTest, StopStringAcrossTokensEndsTheTextBeforeIt) {
  Setup setup;
  setup.hooks = Script(2, {8, 9, 27, 19, 20, 15, 16, 5});  // "hi stope"
  Make(setup);
  Request request = Greedy({1, 2}, 20);
  request.stop = {"zzz", "stop"};
  auto sink = Submit(request);
  const Finish finish = sink->AwaitFinish();
  EXPECT_EQ(finish.reason, FinishReason::kStop);
  EXPECT_EQ(finish.matched_stop, "stop");
  EXPECT_FALSE(finish.matched_stop_id.has_value());
  EXPECT_EQ(sink->text_, "hi ");
  EXPECT_EQ(sink->ids_.size(), 7u);
}

TEST_F(EngineTest, HeldBackTextComesAtTheEnd) {
  Setup setup;
  setup.hooks = Script(2, {8, 9, 27, 19, 20});  // "hi st"
  Make(setup);
  Request request = Greedy({1, 2}, 5);
  request.stop = {"stop"};
  auto sink = Submit(request);
  EXPECT_EQ(sink->AwaitFinish().reason, FinishReason::kLength);
  EXPECT_EQ(sink->text_, "hi st");
}

TEST_F(EngineTest, CharactersAreNotSplit) {
  Setup setup;
  setup.hooks = Script(1, {60, 61, 60});  // a euro sign, then half of one
  Make(setup);
  auto sink = Submit(Greedy({1}, 3));
  sink->AwaitFinish();
  EXPECT_EQ(sink->text_, "\xE2\x82\xAC\xEF\xBF\xBD");
}

TEST_F(EngineTest, MinTokensHoldsStopsOff) {
  Setup setup;
  setup.hooks = Script(2, {kFakeEos, kFakeEos, kFakeEos, kFakeEos, kFakeEos});
  Make(setup);
  Request request = Greedy({1, 2}, 20);
  request.min_tokens = 3;
  auto sink = Submit(request);
  EXPECT_EQ(sink->AwaitFinish().matched_stop_id, kFakeEos);
  ASSERT_EQ(sink->ids_.size(), 4u);
  for (int i = 0; i < 3; ++i) EXPECT_NE(sink->ids_[i], kFakeEos);

  Setup letters;
  letters.hooks = Script(2, {1, 1, 1, 1, 1, 1, 1});
  Make(letters);
  request.stop = {"a"};
  request.min_tokens = 4;
  sink = Submit(request);
  EXPECT_EQ(sink->AwaitFinish().matched_stop, "a");
  EXPECT_EQ(sink->text_, "aaa");
}

TEST_F(EngineTest, ContextEndsTheOutput) {
  Setup setup;
  setup.context = 40;
  Make(setup);
  Request request = Greedy(Prompt(30, 1), 0);
  request.ignore_eos = true;
  auto sink = Submit(request);
  EXPECT_EQ(sink->AwaitFinish().reason, FinishReason::kLength);
  EXPECT_EQ(sink->ids_.size(), 10u);
  request.prompt = Prompt(40, 1);
  sink = Submit(request);
  EXPECT_EQ(sink->AwaitFinish().reason, FinishReason::kLength);
  EXPECT_EQ(sink->ids_.size(), 1u);
  request.prompt = Prompt(41, 1);
  EXPECT_EQ(engine_->Submit(request, sink).status().code(), absl::StatusCode::kInvalidArgument);
  ExpectClean();
  EXPECT_EQ(observer_.rejects, 1);
}

}  // namespace
}  // namespace quantd
