#include "runtime/cache/kv_block_pool.h"

#include <set>

#include "gtest/gtest.h"

namespace quantd {
namespace {

const KvLayout kLayout{KvType::kF32, 2, 1, 4};

TEST(KvBlockPoolTest, GivesEveryBlockOnceThenNone) {
  auto pool = KvBlockPool::Create(kLayout, 5);
  ASSERT_TRUE(pool.ok()) << pool.status();
  std::set<int32_t> taken;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ((*pool)->used_blocks(), i);
    const int32_t block = (*pool)->Allocate();
    EXPECT_GE(block, 0);
    EXPECT_LT(block, 5);
    EXPECT_TRUE(taken.insert(block).second) << "block " << block << " given twice";
  }
  EXPECT_EQ((*pool)->Allocate(), -1);
  EXPECT_EQ((*pool)->free_blocks(), 0);
  (*pool)->Release(3);
  EXPECT_EQ((*pool)->free_blocks(), 1);
  EXPECT_EQ((*pool)->Allocate(), 3);
}

TEST(KvBlockPoolTest, SharedBlockIsFreeAfterItsLastReference) {
  auto pool = KvBlockPool::Create(kLayout, 1);
  ASSERT_TRUE(pool.ok());
  const int32_t block = (*pool)->Allocate();
  (*pool)->AddRef(block);
  EXPECT_EQ((*pool)->refs(block), 2);
  (*pool)->Release(block);
  EXPECT_EQ((*pool)->Allocate(), -1);
  (*pool)->Release(block);
  EXPECT_EQ((*pool)->Allocate(), block);
}

TEST(KvBlockPoolTest, ViewCoversEveryBlock) {
  auto pool = KvBlockPool::Create(kLayout, 3);
  ASSERT_TRUE(pool.ok());
  const KvView view = (*pool)->view();
  EXPECT_EQ(view.layout.block_bytes(), 2 * 2 * 1 * kKvBlockTokens * 4 * 4);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(view.base) % 64, 0u);
  for (int64_t i = 0; i < 3 * view.layout.block_bytes(); ++i) view.base[i] = std::byte{1};
}

TEST(KvBlockPoolTest, RefusesSizesThatCannotBe) {
  for (int32_t blocks : {0, -1}) {
    EXPECT_EQ(KvBlockPool::Create(kLayout, blocks).status().code(),
              absl::StatusCode::kResourceExhausted);
  }
  const KvLayout huge{KvType::kF32, 1 << 20, 1 << 10, 1 << 10};
  EXPECT_EQ(KvBlockPool::Create(huge, 1 << 30).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(KvBlockPoolTest, BlocksForTokens) {
  EXPECT_EQ(KvBlocksFor(0), 0);
  EXPECT_EQ(KvBlocksFor(1), 1);
  EXPECT_EQ(KvBlocksFor(kKvBlockTokens), 1);
  EXPECT_EQ(KvBlocksFor(kKvBlockTokens + 1), 2);
}

TEST(KvBlockPoolDeathTest, DoubleReleaseIsABrokenInvariant) {
  auto pool = KvBlockPool::Create(kLayout, 2);
  ASSERT_TRUE(pool.ok());
  const int32_t block = (*pool)->Allocate();
  (*pool)->Release(block);
  EXPECT_DEATH((*pool)->Release(block), "released twice");
}

}  // namespace
}  // namespace quantd
