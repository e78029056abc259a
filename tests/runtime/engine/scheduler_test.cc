#include "runtime/engine/scheduler.h"

#include <algorithm>
#include <deque>
#include <map>
#include <numeric>
#include <random>

#include "gtest/gtest.h"
#include "tests/runtime/engine/fakes.h"

namespace quantd {
namespace {

constexpr int B = kKvBlockTokens;

// A scheduler with a pool, and sequences that grow by a made-up token per step.
class SchedulerTest : public testing::Test {
 protected:
  void Make(int32_t blocks, int32_t max_sequences, int32_t budget, bool prefix_cache = true) {
    scheduler_.reset();
    index_.reset();
    pool_ = std::move(KvBlockPool::Create(kFakeLayout, blocks)).value();
    index_ = std::make_unique<PrefixIndex>(pool_.get());
    scheduler_ = std::make_unique<Scheduler>(SchedulerOptions{max_sequences, budget, prefix_cache},
                                             index_.get());
  }

  // A prompt like no other, unless `same` names a family of equal ones.
  ScheduledState* Add(int32_t prompt, int32_t priority = 0, int32_t same = -1) {
    ScheduledState& s = states_.emplace_back();
    s.number = states_.size();
    s.priority = priority;
    s.prompt_tokens = prompt;
    s.tokens.resize(prompt);
    std::iota(s.tokens.begin(), s.tokens.end(),
              same >= 0 ? same * 100000 : static_cast<int32_t>(s.number) * 1000000);
    scheduler_->Add(&s);
    return &s;
  }

  // One step; every sequence whose logits came gets a token.
  const CommittedStep& Step() {
    const CommittedStep& step = scheduler_->Commit(scheduler_->Plan());
    scheduler_->MarkComputed();
    for (const CommittedStep::Entry& e : step.entries) {
      if (e.logits >= 0) e.sequence->tokens.push_back(7000000 + e.sequence->number);
    }
    return step;
  }

  // Rows of each sequence in a step, by number.
  static std::map<uint64_t, int> Rows(const CommittedStep& step) {
    std::map<uint64_t, int> rows;
    for (const BatchSequence& s : step.batch.sequences) rows[s.sequence_id] = s.rows;
    return rows;
  }

  std::deque<ScheduledState> states_;
  std::unique_ptr<KvBlockPool> pool_;
  std::unique_ptr<PrefixIndex> index_;
  std::unique_ptr<Scheduler> scheduler_;
};

using RowMap = std::map<uint64_t, int>;

TEST_F(SchedulerTest, NothingToDoIsAnEmptyPlan) {
  Make(4, 4, 16);
  EXPECT_TRUE(scheduler_->Plan().empty());
}

TEST_F(SchedulerTest, PlanChangesNothing) {
  Make(8, 4, 16);
  ScheduledState* s = Add(20);
  for (int i = 0; i < 3; ++i) {
    const StepPlan plan = scheduler_->Plan();
    ASSERT_EQ(plan.admissions.size(), 1u);
    EXPECT_EQ(plan.admissions[0].rows, 16);
  }
  EXPECT_EQ(pool_->free_blocks(), 8);
  EXPECT_FALSE(s->running);
  EXPECT_EQ(scheduler_->waiting(), 1);
}

TEST_F(SchedulerTest, PrefillIsCutByTheBudgetAndCoversThePromptOnce) {
  Make(16, 4, 16);
  ScheduledState* s = Add(40);
  std::vector<int32_t> fed;
  for (int rows : {16, 16, 8}) {
    const CommittedStep& step = Step();
    ASSERT_EQ(Rows(step), (RowMap{{1, rows}}));
    EXPECT_EQ(step.batch.sequences[0].context, static_cast<int>(fed.size()));
    fed.insert(fed.end(), step.batch.tokens.begin(), step.batch.tokens.end());
    EXPECT_EQ(step.batch.logit_rows.size(), fed.size() == 40 ? 1u : 0u);
    EXPECT_FALSE(step.entries[0].decode);
  }
  EXPECT_EQ(fed, std::vector<int32_t>(s->tokens.begin(), s->tokens.begin() + 40));
  const CommittedStep& decode = Step();
  EXPECT_EQ(Rows(decode), (RowMap{{1, 1}}));
  EXPECT_TRUE(decode.entries[0].decode);
  EXPECT_EQ(decode.batch.positions, std::vector<int32_t>{40});
}

// What one step does, given sequences already decoding, one in prefill, and the queue.
struct MixCase {
  const char* name;
  int decoding;
  int prefilling;  // prompt tokens left of a running sequence; 0 = none
  std::vector<int> queue;
  int max_sequences, budget;
  std::vector<int> rows;  // expected: decoding..., prefilling, queue...
};

class MixTest : public SchedulerTest, public testing::WithParamInterface<MixCase> {};

TEST_P(MixTest, DecodesFirstThenPrefillInOrder) {
  const MixCase& c = GetParam();
  Make(1000, c.max_sequences, c.budget, /*prefix_cache=*/false);
  for (int i = 0; i < c.decoding; ++i) {
    Add(1);
    Step();
  }
  if (c.prefilling > 0) {
    // Its first step leaves `prefilling` tokens.
    Add(c.prefilling + c.budget - c.decoding);
    Step();
  }
  for (int tokens : c.queue) Add(tokens);
  std::vector<int> got;
  const CommittedStep& step = Step();
  auto rows = Rows(step);
  for (size_t i = 1; i <= states_.size(); ++i) got.push_back(rows[i]);
  EXPECT_EQ(got, c.rows);
  EXPECT_LE(step.batch.rows(), c.budget);
  // Rows of decodes lie before those of prefill.
  bool prefill_seen = false;
  for (const BatchSequence& s : step.batch.sequences) {
    if (s.sequence_id > static_cast<uint64_t>(c.decoding)) prefill_seen = true;
    EXPECT_EQ(prefill_seen, s.sequence_id > static_cast<uint64_t>(c.decoding));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Policy, MixTest,
    testing::Values(MixCase{"all_decode", 3, 0, {}, 4, 8, {1, 1, 1}},
                    MixCase{"prefill_gets_the_rest", 3, 0, {50}, 4, 8, {1, 1, 1, 5}},
                    MixCase{"running_prefill_before_queue", 2, 3, {50}, 4, 8, {1, 1, 3, 3}},
                    MixCase{"long_prefill_takes_all", 2, 30, {5}, 4, 8, {1, 1, 6, 0}},
                    MixCase{"many_short_prompts", 0, 0, {3, 3, 3, 3}, 8, 8, {3, 3, 2, 0}},
                    MixCase{"slots_full", 4, 0, {5}, 4, 8, {1, 1, 1, 1, 0}},
                    MixCase{"one_slot", 3, 0, {2, 2}, 4, 8, {1, 1, 1, 2, 0}},
                    MixCase{"budget_equals_slots", 3, 0, {9}, 4, 4, {1, 1, 1, 1}}),
    [](const auto& info) { return info.param.name; });

TEST_F(SchedulerTest, PriorityThenArrival) {
  Make(100, 2, 64);
  Add(4, /*priority=*/1);
  Add(4, /*priority=*/0);
  Add(4, /*priority=*/0);
  Add(4, /*priority=*/-5);
  EXPECT_EQ(Rows(Step()), (RowMap{{4, 4}, {2, 4}}));
  scheduler_->Remove(&states_[3]);
  EXPECT_EQ(Rows(Step()), (RowMap{{2, 1}, {3, 4}}));
  scheduler_->Remove(&states_[1]);
  scheduler_->Remove(&states_[2]);
  EXPECT_EQ(Rows(Step()), (RowMap{{1, 4}}));
}

TEST_F(SchedulerTest, NobodyOvertakesTheFirstThatDoesNotFit) {
  Make(4, 8, 512);
  Add(2 * B);  // leaves 2 blocks, of which one is kept for its growth
  Step();
  Add(2 * B);
  Add(1);
  EXPECT_EQ(Rows(Step()), (RowMap{{1, 1}}));
  scheduler_->Remove(&states_[0]);
  EXPECT_EQ(Rows(Step()), (RowMap{{2, 2 * B}, {3, 1}}));
}

TEST_F(SchedulerTest, YoungestIsPreemptedAndStartsAgainFirst) {
  Make(4, 8, 512, /*prefix_cache=*/false);
  ScheduledState* old_one = Add(B - 1);
  ScheduledState* young = Add(B - 1);
  Step();
  Step();
  Step();  // both have B + 1 tokens computed, in two blocks each
  ASSERT_EQ(index_->available(), 0);
  while (static_cast<int>(old_one->tokens.size()) <= 2 * B) Step();
  ASSERT_TRUE(young->running);
  ScheduledState* late = Add(3);
  const CommittedStep& step = Step();
  EXPECT_EQ(step.preemptions, 1);
  EXPECT_EQ(Rows(step), (RowMap{{1, 1}}));
  EXPECT_FALSE(young->running);
  EXPECT_EQ(young->computed, 0);
  EXPECT_TRUE(young->blocks.empty());
  const size_t tokens = young->tokens.size();
  EXPECT_EQ(Rows(Step()), (RowMap{{1, 1}})) << "there is no room, and nobody overtakes";
  scheduler_->Remove(old_one);
  const CommittedStep& resumed = Step();
  EXPECT_EQ(Rows(resumed), (RowMap{{2, static_cast<int>(tokens)}})) << "recomputes all of it";
  EXPECT_TRUE(resumed.started.empty()) << "it does not leave the queue a second time";
  EXPECT_FALSE(late->running) << "no room for its growth beside the elder's three blocks";
  scheduler_->Remove(young);
  EXPECT_EQ(Rows(Step()), (RowMap{{3, 3}}));
}

TEST_F(SchedulerTest, LowestPriorityIsPreemptedBeforeTheYoungest) {
  Make(4, 8, 512, /*prefix_cache=*/false);
  ScheduledState* background = Add(B - 1, /*priority=*/5);
  Step();
  ScheduledState* urgent = Add(B - 1, /*priority=*/0);
  while (background->running) Step();
  EXPECT_TRUE(urgent->running);
  EXPECT_GT(urgent->tokens.size(), static_cast<size_t>(B));
}

TEST_F(SchedulerTest, LastInOrderWaitsInPlaceForRoom) {
  Make(4, 8, 512, /*prefix_cache=*/false);
  Add(2 * B - 8);  // two blocks, with room for some steps
  Step();
  ScheduledState* young = Add(B);
  Step();  // fills its first block, so its next token needs another
  ASSERT_TRUE(young->running);
  const int32_t taken = index_->Allocate();  // the last one is gone
  ASSERT_EQ(index_->available(), 0);
  const int32_t computed = young->computed;
  EXPECT_EQ(Rows(Step()), (RowMap{{1, 1}}));
  EXPECT_TRUE(young->running);
  EXPECT_EQ(young->computed, computed);
  index_->Release({&taken, 1});
  EXPECT_EQ(Rows(Step()), (RowMap{{1, 1}, {2, 1}}));
}

TEST_F(SchedulerTest, EqualPromptsShareTheirBlocks) {
  Make(16, 8, 512);
  ScheduledState* first = Add(3 * B + 5, 0, /*same=*/1);
  Step();
  ScheduledState* second = Add(3 * B + 5, 0, /*same=*/1);
  const CommittedStep& step = Step();
  EXPECT_EQ(Rows(step), (RowMap{{1, 1}, {2, 5}}));
  EXPECT_EQ(step.cached_prompt_tokens, 3 * B);
  EXPECT_EQ(step.prefix_query_tokens, 3 * B + 5);
  EXPECT_EQ(second->cached_prompt_tokens, 3 * B);
  EXPECT_EQ(index_->used_blocks(), 5);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(first->blocks[i], second->blocks[i]);
  EXPECT_NE(first->blocks[3], second->blocks[3]);
  scheduler_->Remove(first);
  EXPECT_EQ(index_->used_blocks(), 4);
}

TEST_F(SchedulerTest, PromptOfWholeBlocksComputesItsLast) {
  Make(16, 8, 512);
  Add(2 * B, 0, /*same=*/1);
  Step();
  Add(2 * B, 0, /*same=*/1);
  EXPECT_EQ(Rows(Step())[2], B);
}

TEST_F(SchedulerTest, BlocksComputedTwiceAtOnceAreMerged) {
  Make(16, 8, 512);
  ScheduledState* a = Add(2 * B + 1, 0, /*same=*/1);
  ScheduledState* b = Add(2 * B + 1, 0, /*same=*/1);
  Step();
  EXPECT_EQ(a->blocks[0], b->blocks[0]);
  EXPECT_EQ(a->blocks[1], b->blocks[1]);
  EXPECT_EQ(index_->used_blocks(), 4);
}

TEST_F(SchedulerTest, SaltAndSwitchKeepPromptsApart) {
  Make(16, 8, 512);
  Add(2 * B, 0, 1);
  Step();
  Add(2 * B, 0, 1)->cache_salt = "other";
  EXPECT_EQ(Rows(Step())[2], 2 * B);
  Make(16, 8, 512, /*prefix_cache=*/false);
  states_.clear();
  Add(2 * B, 0, 1);
  Step();
  Add(2 * B, 0, 1);
  const CommittedStep& step = Step();
  EXPECT_EQ(Rows(step)[2], 2 * B);
  EXPECT_EQ(step.prefix_query_tokens, 0);
}

TEST_F(SchedulerTest, CachedPrefixIsNotEvictedByTheStepThatUsesIt) {
  Make(5, 8, 512);
  ScheduledState* first = Add(3 * B, 0, /*same=*/1);
  Step();
  scheduler_->Remove(first);
  ASSERT_EQ(index_->idle_blocks(), 3);
  // Needs every block of the pool: three cached ones and the two free ones.
  ScheduledState* second = Add(4 * B + 1, 0, /*same=*/1);
  EXPECT_EQ(Rows(Step()), (RowMap{{2, B + 1}}));
  EXPECT_EQ(second->blocks.size(), 5u);
}

// Whatever comes, each plan has work, the order's first always advances, and all end.
TEST_F(SchedulerTest, RandomLoadOnATinyPoolAlwaysAdvances) {
  std::mt19937 rng(5);
  for (int round = 0; round < 60; ++round) {
    states_.clear();
    const int blocks = 3 + rng() % 6;
    Make(blocks, 1 + rng() % 6, 6 + rng() % 60, rng() % 2 == 0);
    std::map<uint64_t, size_t> goal;
    for (int i = 0; i < 20; ++i) {
      const int prompt = 1 + rng() % (B * blocks - 10);
      ScheduledState* s = Add(prompt, rng() % 3, rng() % 2 ? 1 : -1);
      goal[s->number] = std::min<size_t>(prompt + 1 + rng() % 80, B * blocks + 1);
    }
    int steps = 0, preemptions = 0;
    while (!goal.empty()) {
      ASSERT_LT(++steps, 20000) << "livelock";
      ASSERT_FALSE(scheduler_->Plan().empty());
      const CommittedStep& step = Step();
      preemptions += step.preemptions;
      for (const CommittedStep::Entry& e : step.entries) {
        if (e.sequence->tokens.size() < goal[e.sequence->number]) continue;
        scheduler_->Remove(e.sequence);
        goal.erase(e.sequence->number);
      }
    }
    EXPECT_EQ(index_->used_blocks(), 0);
    EXPECT_EQ(scheduler_->running() + scheduler_->waiting(), 0);
  }
}

}  // namespace
}  // namespace quantd
