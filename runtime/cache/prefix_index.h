#ifndef QUANTD_RUNTIME_CACHE_PREFIX_INDEX_H_
#define QUANTD_RUNTIME_CACHE_PREFIX_INDEX_H_

#include <array>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/types/span.h"
#include "runtime/cache/kv_block_pool.h"

namespace quantd {

/// Finds KV blocks by the tokens they were computed from, so that sequences with an equal prefix
/// share them, and is the door through which sequences take and give back blocks.
///
/// Indexed blocks form chains: a full block is known by its kKvBlockTokens tokens and by the
/// block before it, the first one by the cache salt. Tokens are compared in full, so a hash
/// collision never shares a block. The index holds a reference of its own to each; a block that
/// nobody else uses is *idle*: it stays findable until Allocate needs it, least recently used
/// first. Whoever holds a block of a chain holds those before it, and blocks are released last
/// first, so a chain is always evicted from its end.
///
/// Used by the engine thread only. The pool must outlive it.
class PrefixIndex {
 public:
  /// The chain before a first block.
  static constexpr uint64_t kRoot = 0;

  /// A cached prefix: blocks of a chain from its start, and where the chain ends.
  struct Match {
    std::vector<int32_t> blocks;
    uint64_t chain = kRoot;
    int32_t idle = 0;  ///< of them, idle ones; taking them lowers available() by so many

    int32_t tokens() const { return static_cast<int32_t>(blocks.size()) * kKvBlockTokens; }
  };

  explicit PrefixIndex(KvBlockPool* pool) : pool_(pool), nodes_(pool->total_blocks(), nullptr) {}
  ~PrefixIndex();
  PrefixIndex(const PrefixIndex&) = delete;
  PrefixIndex& operator=(const PrefixIndex&) = delete;

  /// The longest cached prefix of `tokens` that leaves out at least the last token: its logits
  /// are needed, so it must be computed. Changes nothing, the order of eviction included.
  Match Find(absl::Span<const int32_t> tokens, const std::string& salt) const;
  /// Takes a reference to each block of a match found since the last change of the index.
  void Acquire(const Match& match);

  /// A block with one reference, evicting the idle block not used for longest if the pool is dry;
  /// -1 when every block is in use.
  int32_t Allocate();
  /// Gives back a sequence's blocks, which it holds in the order of its tokens.
  void Release(absl::Span<const int32_t> blocks);

  /// Enters a block whose kKvBlockTokens `tokens` have been computed, behind `*chain`, which moves
  /// on to it. `salt` matters at the root only. If an equal block is known already, the caller's
  /// reference moves to that one, and `block` is released. Returns the block to use from now on.
  int32_t Insert(absl::Span<const int32_t> tokens, const std::string& salt, int32_t block,
                 uint64_t* chain);

  /// References that sequences hold to a block.
  int32_t users(int32_t block) const {
    return pool_->refs(block) - (nodes_[block] != nullptr ? 1 : 0);
  }
  /// Blocks in the index that no sequence uses.
  int32_t idle_blocks() const { return static_cast<int32_t>(idle_.size()); }
  /// Blocks that Allocate can give.
  int32_t available() const { return pool_->free_blocks() + idle_blocks(); }
  /// Blocks that sequences use.
  int32_t used_blocks() const { return pool_->total_blocks() - available(); }

 private:
  struct Key {
    uint64_t parent = kRoot;
    std::string salt;  // of first blocks; the parent implies it later
    std::array<int32_t, kKvBlockTokens> tokens;

    friend bool operator==(const Key&, const Key&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Key& key) {
      return H::combine(std::move(h), key.parent, key.salt, key.tokens);
    }
  };
  struct Node {
    uint64_t id = kRoot;  // never used again, so a parent's id stands for its whole prefix
    int32_t block = -1;
    std::list<Node*>::iterator idle_position;  // valid while idle
    const Key* key = nullptr;                  // its key in index_
  };

  static Key MakeKey(uint64_t parent, const std::string& salt, absl::Span<const int32_t> tokens);
  void Use(int32_t block);
  void Evict();

  KvBlockPool* pool_;
  std::unordered_map<Key, Node, absl::Hash<Key>> index_;  // nodes and keys stay where they are
  std::vector<Node*> nodes_;                              // by block; null = not indexed
  std::list<Node*> idle_;                                 // least recently used first
  uint64_t next_id_ = kRoot + 1;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CACHE_PREFIX_INDEX_H_
