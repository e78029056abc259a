#include "runtime/model/gguf_checkpoint.h"

#include <vector>

#include "gtest/gtest.h"
#include "tests/runtime/model/tiny_model.h"

namespace quantd {
namespace {

TEST(GgufCheckpointTest, TensorsAreThoseOfTheFile) {
  TinyModel tiny;
  const auto checkpoint = tiny.Open();
  ASSERT_EQ(checkpoint->tensors().size(), tiny.tensors.size());
  for (const TinyTensor& expected : tiny.tensors) {
    const CheckpointTensor* tensor = checkpoint->Find(expected.name);
    ASSERT_NE(tensor, nullptr) << expected.name;
    EXPECT_EQ(tensor->stored, expected.name);
    EXPECT_EQ(tensor->scheme, "F32");
    EXPECT_EQ(tensor->format, kF32);
    EXPECT_EQ(tensor->shape, expected.shape);
    const auto floats = checkpoint->ReadFloats(*tensor);
    ASSERT_TRUE(floats.ok()) << floats.status();
    EXPECT_EQ(floats->back(), expected.value(static_cast<int64_t>(floats->size()) - 1));
    const auto weights = checkpoint->OpenWeights(*tensor);
    ASSERT_TRUE(weights.ok()) << weights.status();
    ASSERT_EQ(weights->size(), 1u);
    EXPECT_EQ(weights->front()->rows(), tensor->rows());
    checkpoint->GiveBack(*tensor);
  }
  EXPECT_EQ(checkpoint->LayersKey(), "llama.block_count");
  EXPECT_EQ(checkpoint->StoredName("blk.0.x"), "blk.0.x");
}

}  // namespace
}  // namespace quantd
