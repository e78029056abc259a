#include "kernels/measure/machine_limits.h"

#include <gtest/gtest.h>

namespace quantd {
namespace {

TEST(MachineLimits, MeasuresWhatTheInstructionSetsAllow) {
  ThreadPool pool(1);
  const uint32_t all = ProbeHardware().isas;
  const MachineLimits limits = MeasureMachineLimits(ProbeHardware(), all, pool);
  EXPECT_GT(limits.read_bytes_per_s, 1e7);   // below: no memory
  EXPECT_LT(limits.read_bytes_per_s, 1e13);  // above: nothing was read
  EXPECT_EQ(limits.int8_ops_per_s > 0, (all & IsaBit(Isa::kAvx2)) != 0);
  EXPECT_EQ(limits.float_ops_per_s > 0, (all & IsaBit(Isa::kAvx2)) != 0);
  EXPECT_EQ(limits.bf16_ops_per_s > 0, (all & IsaBit(Isa::kAvx512Bf16)) != 0);
  EXPECT_EQ(limits.ops_per_s(ActivationType::kBF16), limits.bf16_ops_per_s);
  EXPECT_EQ(limits.ops_per_s(ActivationType::kInt8), limits.int8_ops_per_s);
  const MachineLimits bare = MeasureMachineLimits(ProbeHardware(), IsaBit(Isa::kReference), pool);
  EXPECT_EQ(bare.int8_ops_per_s, 0);
  EXPECT_EQ(bare.float_ops_per_s, 0);
}

}  // namespace
}  // namespace quantd
