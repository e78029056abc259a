#include "runtime/model/format_speed.h"

#include <set>

#include "gtest/gtest.h"
#include "kernels/kernel_set.h"
#include "runtime/model/linear_stack.h"

namespace quantd {
namespace {

TEST(FormatSpeed, EveryComparedFormatIsMeasured) {
  const auto kernels = KernelSet::Create(ProbeHardware(), {});
  ASSERT_TRUE(kernels.ok()) << kernels.status();
  ThreadPool pool(1);
  ModelConfig config = ConfigOf(*FindSynthShape("tiny"));
  config.dim = config.ff = 256;  // a block of the K-quants
  config.head_dim = 64;
  config.layers = 1;
  FormatSpeedOptions options;
  options.reps = 1;
  options.naive = true;
  for (const ComparedFormat& compared : ComparedFormats()) {
    const auto speed = MeasureFormat(config, compared.format, options, **kernels, pool);
    ASSERT_TRUE(speed.ok()) << compared.name << ": " << speed.status();
    EXPECT_EQ(speed->weight_bytes, *PackedModelBytes(config, compared.format));
    ASSERT_EQ(speed->workloads.size(), Workloads().size());
    for (size_t i = 0; i < Workloads().size(); ++i) {
      const int64_t rows = Workloads()[i].rows;
      EXPECT_GT(speed->workloads[i].tokens_per_second, 0) << compared.name;
      EXPECT_GT(speed->workloads[i].naive_tokens_per_second, 0) << compared.name;
      EXPECT_EQ(
          speed->workloads[i].kernel.name,
          Describe(*(*kernels)->SelectGemm(compared.format, WeightLayout::kRows32, rows)).name);
    }
  }
}

TEST(FormatSpeed, ComparedFormatsHaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const ComparedFormat& compared : ComparedFormats()) {
    EXPECT_TRUE(names.insert(compared.name).second) << compared.name;
  }
  EXPECT_EQ(names.size(), NamedFormats().size() + 1);
}

TEST(FormatSpeed, StopsWhenToldTo) {
  const auto kernels = KernelSet::Create(ProbeHardware(), {});
  ASSERT_TRUE(kernels.ok()) << kernels.status();
  ThreadPool pool(1);
  std::vector<double> done;
  FormatSpeedOptions options;
  options.reps = 2;
  options.go_on = [&](double part) {
    done.push_back(part);
    return done.size() < 3;
  };
  const auto speed =
      MeasureFormat(ConfigOf(*FindSynthShape("tiny")), kQ8_0, options, **kernels, pool);
  EXPECT_EQ(speed.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(done, (std::vector<double>{0, 1.0 / 8, 2.0 / 8}));
}

}  // namespace
}  // namespace quantd
