#include "server/cli/bench_harness.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "runtime/lifecycle/model_manager.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

TEST(Summarize, IsMedianAndSampleDeviation) {
  EXPECT_EQ(Summarize({}).median, 0);
  EXPECT_EQ(Summarize({5}).median, 5);
  EXPECT_EQ(Summarize({5}).stddev, 0);
  EXPECT_EQ(Summarize({9, 1}).median, 5);
  const SampleStats stats = Summarize({4, 2, 100});
  EXPECT_EQ(stats.median, 4);
  EXPECT_NEAR(stats.stddev, 56.0119, 1e-4);
}

TEST(BenchHarness, FillsSequencesThatDoNotDivideTheStep) {
  const auto runtime = RuntimeContext::Create({});
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  ModelSpec spec;
  spec.name = "demo";
  spec.path = SourcePath("config/models/shakespeare-6m-Q4_0.gguf");
  spec.engine.max_sequences = 1;
  const auto served =
      ServedModel::Load(spec, (*runtime)->kernels(), (*runtime)->pool(), {}, nullptr);
  ASSERT_TRUE(served.ok()) << served.status();
  // 3 x 50 tokens in steps of 64: sequences are cut in the middle and share steps.
  const auto harness = BenchHarness::Create(&(*served)->model(), (*served)->kv_type(), 3, 60, 64);
  ASSERT_TRUE(harness.ok()) << harness.status();
  EXPECT_EQ((*harness)->kv_bytes(),
            3u * 2 * (*served)->model().kv_layout((*served)->kv_type()).block_bytes());
  EXPECT_TRUE((*harness)->Prefill(3, 50).ok());
  EXPECT_TRUE((*harness)->Decode(3, 50, 10).ok());
  EXPECT_TRUE((*harness)->Prefill(2, 60).ok());
}

}  // namespace
}  // namespace quantd
