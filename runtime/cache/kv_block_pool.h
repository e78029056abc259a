#ifndef QUANTD_RUNTIME_CACHE_KV_BLOCK_POOL_H_
#define QUANTD_RUNTIME_CACHE_KV_BLOCK_POOL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/attention/attention.h"
#include "kernels/base/aligned_buffer.h"

namespace quantd {

/// Hands out the KV blocks of one model. Blocks are reference-counted so that sequences can share
/// the blocks of a common prefix. Owned and called by the engine thread only; the counts may be
/// read from any thread.
class KvBlockPool {
 public:
  /// Reserves blocks * layout.block_bytes(); memory is touched on first use only.
  /// Errors: RESOURCE_EXHAUSTED.
  static absl::StatusOr<std::unique_ptr<KvBlockPool>> Create(const KvLayout& layout,
                                                             int32_t blocks);

  int32_t total_blocks() const { return static_cast<int32_t>(refs_.size()); }
  int32_t free_blocks() const { return free_count_.load(std::memory_order_relaxed); }
  int32_t used_blocks() const { return total_blocks() - free_blocks(); }

  /// Takes a free block with one reference; -1 when there is none.
  int32_t Allocate();
  void AddRef(int32_t block);
  /// Drops a reference; the block is free at zero. Releasing a free block is a broken invariant.
  void Release(int32_t block);
  /// References to a block; 0 = free.
  int32_t refs(int32_t block) const { return refs_[block]; }

  KvView view() const { return {layout_, memory_.as<std::byte>()}; }
  const KvLayout& layout() const { return layout_; }

 private:
  KvBlockPool() = default;
  KvLayout layout_;
  AlignedBuffer memory_;
  std::vector<int32_t> refs_;
  std::vector<int32_t> free_;            // a stack: the block freed last is likely still in cache
  std::atomic<int32_t> free_count_ = 0;  // free_.size(), for other threads
};

/// Blocks that `tokens` tokens need.
inline int64_t KvBlocksFor(int64_t tokens) {
  return (tokens + kKvBlockTokens - 1) / kKvBlockTokens;
}

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CACHE_KV_BLOCK_POOL_H_
