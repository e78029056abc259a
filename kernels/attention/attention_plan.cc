#include "kernels/attention/attention_plan.h"

#include <algorithm>

#include "kernels/base/check.h"

namespace quantd {
namespace {

// Items of about equal length per thread that keep the wait for the last one short.
constexpr int64_t kItemsPerThread = 4;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t Window(const AttentionCall& call) { return call.window > 0 ? call.window : kNoWindow; }

}  // namespace

void AttentionPlan::Make(const AttentionCall& call, int threads) {
  call_ = &call;
  group_ = call.heads / call.kv.layout.kv_heads;
  items_.clear();
  splits_.clear();
  const int64_t tile_rows = std::max<int64_t>(1, kTileQueries / group_);
  most_queries_ = tile_rows * group_;
  tiles_.clear();
  int64_t total = 0;
  for (int32_t s = 0; s < call.sequence_count; ++s) {
    // A sequence's last rows see the most tokens and are the last to be wanted at the end.
    const AttentionSequence& sequence = call.sequences[s];
    for (int64_t t = CeilDiv(sequence.rows, tile_rows); t-- > 0;) {
      Item tile{s, 0, t * tile_rows, std::min(tile_rows, sequence.rows - t * tile_rows), 0, 0, -1};
      SetSegments(&tile);
      total += (tile.end - tile.begin) * call.kv.layout.kv_heads;
      tiles_.push_back(tile);
    }
  }
  const int64_t share = std::max<int64_t>(1, total / (threads * kItemsPerThread));
  for (Item& tile : tiles_) {
    const int64_t most_segments = threads == 1 ? tile.end : share;
    for (tile.kv_head = 0; tile.kv_head < call.kv.layout.kv_heads; ++tile.kv_head) {
      AddTile(tile, most_segments);
    }
  }
  PlaceStates();
}

// Those that any of its rows sees.
void AttentionPlan::SetSegments(Item* tile) const {
  const int64_t first = call_->sequences[tile->sequence].context + tile->first_row;
  tile->begin = FirstToken(first, Window(*call_)) / kSegmentTokens;
  tile->end = CeilDiv(first + tile->rows, kSegmentTokens);
}

void AttentionPlan::AddTile(Item tile, int64_t most_segments) {
  const int64_t first = tile.begin, segments = tile.end - first;
  if (segments <= most_segments) {
    items_.push_back(tile);
    return;
  }
  tile.split = static_cast<int32_t>(splits_.size());
  SplitTile split;
  split.first = first;
  split.segments = segments;
  split.floats = StateFloats(tile.rows * group_, call_->kv.layout.head_dim);
  for (const int64_t parts = CeilDiv(segments, most_segments); split.items_left < parts;) {
    tile.begin = first + segments * split.items_left / parts;
    tile.end = first + segments * ++split.items_left / parts;
    items_.push_back(tile);
  }
  splits_.push_back(split);
}

void AttentionPlan::PlaceStates() {
  int64_t floats = 0;
  for (const SplitTile& split : splits_) floats += split.segments * split.floats;
  const size_t bytes = static_cast<size_t>(floats) * sizeof(float);
  if (states_.size() < bytes) states_ = AlignedBuffer(bytes);
  QUANTD_CHECK(states_.size() >= bytes, "out of memory for the parts of a long context");
  float* next = states_.as<float>();
  for (SplitTile& split : splits_) {
    split.states = next;
    next += split.segments * split.floats;
  }
}

AttentionTile AttentionPlan::Tile(const Item& item) const {
  const AttentionSequence& sequence = call_->sequences[item.sequence];
  const KvLayout& layout = call_->kv.layout;
  const int64_t head_offset = item.kv_head * group_ * layout.head_dim;
  const int64_t row = sequence.first_row + item.first_row;
  const auto* const base = reinterpret_cast<const unsigned char*>(call_->kv.base);
  return AttentionTile{
      .k = base + layout.k_offset(call_->layer) + item.kv_head * layout.head_bytes(),
      .v = base + layout.v_offset(call_->layer) + item.kv_head * layout.head_bytes(),
      .block_bytes = layout.block_bytes(),
      .blocks = sequence.blocks,
      .position = sequence.context + item.first_row,
      .rows = item.rows,
      .group = group_,
      .head_dim = layout.head_dim,
      .q = call_->q + row * call_->q_stride + head_offset,
      .q_stride = call_->q_stride,
      .out = call_->out + row * call_->out_stride + head_offset,
      .out_stride = call_->out_stride,
      .scale = call_->scale,
      .soft_cap = call_->soft_cap,
      .window = Window(*call_),
      .first_segment = item.begin,
      .next = nullptr,
  };
}

}  // namespace quantd
