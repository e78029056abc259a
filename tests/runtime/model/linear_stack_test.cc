#include "runtime/model/linear_stack.h"

#include "gmock/gmock.h"
#include "kernels/kernel_set.h"
#include "runtime/formats/synth.h"
#include "runtime/model/format_speed.h"

namespace quantd {
namespace {

using testing::HasSubstr;

class LinearStackTest : public testing::Test {
 protected:
  LinearStackTest() {
    auto kernels = KernelSet::Create(ProbeHardware(), {});
    EXPECT_TRUE(kernels.ok()) << kernels.status();
    kernels_ = *std::move(kernels);
  }

  const ModelConfig tiny_ = ConfigOf(*FindSynthShape("tiny"));
  std::unique_ptr<KernelSet> kernels_;
  ThreadPool pool_{2};
};

TEST_F(LinearStackTest, BytesAreThoseOfEveryMatrix) {
  const int64_t layer = 2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 128;
  const int64_t weights = 2 * layer + 2 * 64 * 64;
  EXPECT_EQ(*PackedModelBytes(tiny_, kF32), 4 * weights);
  EXPECT_EQ(*PackedModelBytes(tiny_, kBF16), 2 * weights);
  ModelConfig tied = tiny_;
  tied.tied_output = true;
  EXPECT_EQ(*PackedModelBytes(tied, kF32), 4 * (weights - 64 * 64));
}

TEST_F(LinearStackTest, RowsThatAreNoWholeBlocksAreRefused) {
  const auto bytes = PackedModelBytes(tiny_, kQ4_K);
  EXPECT_EQ(bytes.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(bytes.status().message(), HasSubstr("rows of 64"));
  EXPECT_EQ(LinearStack::Create(tiny_, kQ4_K, 0, *kernels_, pool_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(LinearStackTest, HoldsTheLayersThatAreAskedForAtMostThoseOfTheModel) {
  EXPECT_EQ((*LinearStack::Create(tiny_, kQ4_0, 1, *kernels_, pool_))->layers(), 1);
  EXPECT_EQ((*LinearStack::Create(tiny_, kQ4_0, 9, *kernels_, pool_))->layers(), tiny_.layers);
  EXPECT_EQ((*LinearStack::Create(tiny_, kQ4_0, 0, *kernels_, pool_))->layers(), tiny_.layers);
}

TEST_F(LinearStackTest, ALargeOutputMatrixIsHeldInPart) {
  ModelConfig wide = tiny_;
  wide.vocab = 65536;
  EXPECT_EQ((*LinearStack::Create(wide, kQ4_0, 1, *kernels_, pool_))->output_scale(), 4.0);
  EXPECT_EQ((*LinearStack::Create(tiny_, kQ4_0, 1, *kernels_, pool_))->output_scale(), 1.0);
}

TEST_F(LinearStackTest, RefusesWhatDoesNotFitIntoMemory) {
  ModelConfig huge = tiny_;
  huge.dim = 1 << 20;
  huge.heads = 1 << 14;
  huge.ff = 1 << 22;
  const auto stack = LinearStack::Create(huge, kF32, 1, *kernels_, pool_);
  EXPECT_EQ(stack.status().code(), absl::StatusCode::kResourceExhausted) << stack.status();
}

// The multiply-adds that the kernels count are those of the model's shape.
TEST_F(LinearStackTest, ALayerIsAllItsProducts) {
  const auto ops = [&] {
    uint64_t sum = 0;
    for (const KernelCounters& counters : kernels_->GemmCounters()) sum += counters.ops;
    return sum;
  };
  const auto stack = LinearStack::Create(tiny_, kQ8_0, 2, *kernels_, pool_);
  ASSERT_TRUE(stack.ok()) << stack.status();
  const uint64_t before = ops();
  (*stack)->RunLayer(1, 5);
  EXPECT_EQ(ops() - before, 2u * 5 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 128));
  (*stack)->RunOutput(1);
  EXPECT_EQ(ops() - before, 2u * 5 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 128) + 2u * 64 * 64);
}

}  // namespace
}  // namespace quantd
