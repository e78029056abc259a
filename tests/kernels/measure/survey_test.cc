#include "kernels/measure/survey.h"

#include <gtest/gtest.h>

#include <map>

namespace quantd {
namespace {

constexpr SurveyShape kSmall{64, 256, {1, 1, 1, true}};

TEST(SurveyFormat, TimesEveryCandidateAtEveryM) {
  GemmKernels kernels = std::move(GemmKernels::Create(ProbeHardware(), {})).value();
  ThreadPool pool(1);
  const PackedEntry& entry = EntryOf(PackedFormat::kQ4_K);
  const auto rows = SurveyFormat(entry, kernels, pool, kSmall, [] { return true; });
  ASSERT_TRUE(rows.ok()) << rows.status();
  std::map<int64_t, int> chosen;
  for (const SurveyRow& row : *rows) {
    EXPECT_EQ(row.kernel->packed, entry.packed);
    EXPECT_TRUE(row.kernel->TakesM(row.m));
    EXPECT_GT(row.timing.ops_per_s(), 0);
    EXPECT_EQ(row.naive.ops, row.timing.ops);
    chosen[row.m] += row.chosen ? 1 : 0;
  }
  EXPECT_EQ(chosen, (std::map<int64_t, int>{{1, 1}, {4, 1}, {8, 1}, {16, 1}, {32, 1}, {512, 1}}));
}

TEST(SurveyFormat, StopsWhenAskedTo) {
  GemmKernels kernels = std::move(GemmKernels::Create(ProbeHardware(), {})).value();
  ThreadPool pool(1);
  const auto rows =
      SurveyFormat(EntryOf(PackedFormat::kF32), kernels, pool, kSmall, [] { return false; });
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace quantd
