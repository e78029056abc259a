#include "runtime/cache/kv_block_pool.h"

#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"

namespace quantd {
namespace {

absl::Status OutOfMemory(const KvLayout& layout, int32_t blocks) {
  return absl::ResourceExhaustedError(absl::StrCat("kv cache: cannot reserve ", blocks,
                                                   " blocks of ", layout.block_bytes(),
                                                   " bytes; give it fewer bytes"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<KvBlockPool>> KvBlockPool::Create(const KvLayout& layout,
                                                                 int32_t blocks) {
  if (blocks < 1) {
    return absl::ResourceExhaustedError(
        absl::StrCat("kv cache: ", blocks, " blocks; at least one block of ", kKvBlockTokens,
                     " tokens (", layout.block_bytes(), " bytes) is needed"));
  }
  QUANTD_CHECK(layout.block_bytes() > 0, "a layout without elements cannot be indexed");
  if (layout.block_bytes() > std::numeric_limits<int64_t>::max() / blocks) {
    return OutOfMemory(layout, blocks);
  }
  std::unique_ptr<KvBlockPool> pool(new KvBlockPool());
  pool->layout_ = layout;
  pool->memory_ = AlignedBuffer(static_cast<size_t>(layout.block_bytes()) * blocks);
  if (pool->memory_.data() == nullptr) return OutOfMemory(layout, blocks);
  pool->refs_.assign(blocks, 0);
  pool->free_.reserve(blocks);
  for (int32_t block = blocks - 1; block >= 0; --block) pool->free_.push_back(block);
  pool->free_count_ = blocks;
  return pool;
}

int32_t KvBlockPool::Allocate() {
  if (free_.empty()) return -1;
  const int32_t block = free_.back();
  free_.pop_back();
  free_count_.store(static_cast<int32_t>(free_.size()), std::memory_order_relaxed);
  refs_[block] = 1;
  return block;
}

void KvBlockPool::AddRef(int32_t block) {
  QUANTD_CHECK(refs_[block] > 0, "a free block has no content to share");
  ++refs_[block];
}

void KvBlockPool::Release(int32_t block) {
  QUANTD_CHECK(refs_[block] > 0, "a block released twice would be given to two sequences");
  if (--refs_[block] > 0) return;
  free_.push_back(block);
  free_count_.store(static_cast<int32_t>(free_.size()), std::memory_order_relaxed);
}

}  // namespace quantd
