#ifndef QUANTD_KERNELS_ATTENTION_ATTENTION_PLAN_H_
#define QUANTD_KERNELS_ATTENTION_ATTENTION_PLAN_H_

#include <cstdint>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/attention/attention_kernels.h"
#include "kernels/base/aligned_buffer.h"

namespace quantd {

/// A call cut into items that threads take one by one, in any order: tiles of query rows, each
/// against one KV head, and, where tiles are too few or too unequal to keep all threads busy,
/// stretches of segments of a tile. Results do not depend on the cuts. Reusable: memory only grows.
/// Not thread-safe while it is made; afterwards items may be asked for from any thread.
class AttentionPlan {
 public:
  /// Queries of a tile at most, unless one row has more heads to a KV head: enough to read K and V
  /// rarely, few enough for what is kept of them to stay in cache.
  static constexpr int64_t kTileQueries = 48;

  /// A tile whose segments are shared among several items.
  struct SplitTile {
    int64_t first = 0;        ///< the first segment that a row of the tile sees
    int64_t segments = 0;     ///< from there on
    int64_t floats = 0;       ///< of the state of one segment
    float* states = nullptr;  ///< [segments, floats]
    int32_t items_left = 0;   ///< counted down atomically; who reaches 0 puts the tile together

    float* state(int64_t segment) const { return states + (segment - first) * floats; }
  };

  /// Segments [begin, end) of a tile.
  struct Item {
    int32_t sequence;
    int32_t kv_head;
    int64_t first_row, rows;  ///< of the sequence's
    int64_t begin, end;
    int32_t split;  ///< index for split(), -1 when the item has all segments of its tile
  };

  /// Plans `call` for a number of threads. Borrows `call` until the next Make.
  void Make(const AttentionCall& call, int threads);

  const std::vector<Item>& items() const { return items_; }
  AttentionTile Tile(const Item& item) const;
  SplitTile& split(const Item& item) { return splits_[item.split]; }
  /// Queries that any tile of the call has at most.
  int64_t most_queries() const { return most_queries_; }

 private:
  void SetSegments(Item* tile) const;
  void AddTile(Item tile, int64_t most_segments);
  void PlaceStates();

  const AttentionCall* call_ = nullptr;
  int64_t group_ = 0, most_queries_ = 0;
  std::vector<Item> tiles_;  // whole ones, of the first KV head
  std::vector<Item> items_;
  std::vector<SplitTile> splits_;
  AlignedBuffer states_;
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_ATTENTION_ATTENTION_PLAN_H_
