#include "kernels/attention/attention_plan.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace quantd {
namespace {

// A call without data, of sequences {context, rows}.
class Call {
 public:
  Call(int heads, int kv_heads, const std::vector<std::pair<int64_t, int64_t>>& sequences,
       int64_t window = 0) {
    int64_t row = 0;
    for (const auto& [context, rows] : sequences) {
      sequences_.push_back({row, rows, context, nullptr});
      row += rows;
    }
    call_.kv.layout = {KvType::kF16, 1, kv_heads, 64};
    call_.heads = heads;
    call_.window = window;
    call_.sequences = sequences_.data();
    call_.sequence_count = static_cast<int64_t>(sequences_.size());
  }
  const AttentionCall& operator*() const { return call_; }

 private:
  std::vector<AttentionSequence> sequences_;
  AttentionCall call_;
};

// How often each (sequence, row, KV head, segment) is attended.
std::map<std::tuple<int, int64_t, int, int64_t>, int> Coverage(const AttentionPlan& plan) {
  std::map<std::tuple<int, int64_t, int, int64_t>, int> times;
  for (const AttentionPlan::Item& item : plan.items()) {
    for (int64_t row = item.first_row; row < item.first_row + item.rows; ++row) {
      for (int64_t s = item.begin; s < item.end; ++s) {
        ++times[{item.sequence, row, item.kv_head, s}];
      }
    }
  }
  return times;
}

TEST(AttentionPlanTest, EverySegmentThatARowSeesIsAttendedOnce) {
  const std::vector<std::pair<int64_t, int64_t>> sequences = {{0, 1},    {255, 1},   {256, 1},
                                                              {5000, 1}, {200, 130}, {0, 512}};
  const Call call(6, 2, sequences);
  AttentionPlan plan;
  for (const int threads : {1, 2, 7, 64}) {
    plan.Make(*call, threads);
    const auto times = Coverage(plan);
    for (int s = 0; s < static_cast<int>(sequences.size()); ++s) {
      const auto [context, rows] = sequences[s];
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t segment = 0; segment <= (context + row) / kSegmentTokens; ++segment) {
          for (int head = 0; head < 2; ++head) {
            const auto at = times.find({s, row, head, segment});
            ASSERT_TRUE(at != times.end()) << s << " " << row << " " << segment;
            EXPECT_EQ(at->second, 1);
          }
        }
      }
    }
  }
}

TEST(AttentionPlanTest, OnlySegmentsWithinTheWindowAreAttended) {
  const Call call(2, 1, {{5000, 1}, {900, 300}}, 300);
  AttentionPlan plan;
  for (const int threads : {1, 5}) {
    plan.Make(*call, threads);
    const auto times = Coverage(plan);
    for (int64_t segment = 0; segment < 20; ++segment) {  // of tokens 4701 to 5000
      EXPECT_EQ(times.count({0, 0, 0, segment}), segment >= 18 ? 1u : 0u) << segment;
    }
    for (int64_t row = 0; row < 300; ++row) {
      for (int64_t s = (900 + row - 299) / kSegmentTokens; s <= (900 + row) / kSegmentTokens; ++s) {
        EXPECT_EQ(times.at({1, row, 0, s}), 1) << row << " " << s;
      }
    }
  }
}

TEST(AttentionPlanTest, LongContextHasWorkForAllThreads) {
  const Call call(32, 8, {{8191, 1}});
  AttentionPlan plan;
  for (const int threads : {2, 8, 32}) {
    plan.Make(*call, threads);
    int64_t longest = 0, total = 0;
    for (const AttentionPlan::Item& item : plan.items()) {
      longest = std::max(longest, item.end - item.begin);
      total += item.end - item.begin;
    }
    EXPECT_EQ(total, 8 * 32);
    EXPECT_LE(longest * threads, total);  // none takes longer than a fair share
  }
}

TEST(AttentionPlanTest, LongSequenceAmongShortOnesIsSplit) {
  std::vector<std::pair<int64_t, int64_t>> sequences(7, {20, 1});
  sequences.push_back({16383, 1});
  const Call call(8, 1, sequences);
  AttentionPlan plan;
  plan.Make(*call, 4);
  int parts = 0;
  for (const AttentionPlan::Item& item : plan.items()) {
    EXPECT_EQ(item.split >= 0, item.sequence == 7);
    if (item.split < 0) continue;
    ++parts;
    EXPECT_EQ(plan.split(item).segments, 64);
  }
  EXPECT_GE(parts, 8);
  EXPECT_EQ(plan.split(plan.items().back()).items_left, parts);
}

TEST(AttentionPlanTest, NothingIsSplitWithoutNeed) {
  AttentionPlan plan;
  const Call decode(32, 8, {{8191, 1}}), prefill(32, 8, {{0, 512}});
  plan.Make(*decode, 1);
  for (const AttentionPlan::Item& item : plan.items()) EXPECT_LT(item.split, 0);
  plan.Make(*prefill, 8);
  for (const AttentionPlan::Item& item : plan.items()) EXPECT_LT(item.split, 0);
}

TEST(AttentionPlanTest, TilesHaveWholeRowsAndBoundedQueries) {
  AttentionPlan plan;
  const Call call(8, 2, {{0, 30}}), wide(100, 1, {{0, 3}});
  plan.Make(*call, 2);
  EXPECT_EQ(plan.most_queries(), AttentionPlan::kTileQueries);
  for (const AttentionPlan::Item& item : plan.items()) {
    EXPECT_LE(item.rows * 4, plan.most_queries());
  }
  plan.Make(*wide, 2);  // more heads to a KV head than a tile usually takes
  EXPECT_EQ(plan.most_queries(), 100);
  EXPECT_EQ(plan.items().size(), 3u);
}

}  // namespace
}  // namespace quantd
