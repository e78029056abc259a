#include "kernels/attention/attention.h"

#include <algorithm>
#include <atomic>

#include "kernels/attention/attention_kernels.h"
#include "kernels/base/aligned_buffer.h"

namespace quantd {
namespace {

static_assert(kTileBlockTokens == kKvBlockTokens);

// Queries of one tile: enough to read K and V rarely, few enough for their sums to stay in L1.
constexpr int64_t kTileQueries = 32;

// Cuts a call into tiles, numbered from 0: by sequence, then row tile, then KV head. A
// sequence's last rows see the most tokens, so its tiles go from the back. One per
// thread; Find must be asked for ascending numbers, so that it never searches and nothing is
// allocated.
class TileCursor {
 public:
  explicit TileCursor(const AttentionCall& call)
      : call_(call),
        group_(call.heads / call.kv.layout.kv_heads),
        tile_rows_(std::max<int64_t>(1, kTileQueries / group_)) {}

  int64_t tile_queries() const { return tile_rows_ * group_; }

  int64_t Count() const {
    int64_t count = 0;
    for (int64_t s = 0; s < call_.sequence_count; ++s) count += TilesOf(s);
    return count;
  }

  AttentionTile Find(int64_t number) {
    while (number >= begin_ + TilesOf(sequence_)) begin_ += TilesOf(sequence_++);
    const AttentionSequence& sequence = call_.sequences[sequence_];
    const KvLayout& layout = call_.kv.layout;
    const int64_t kv_heads = layout.kv_heads, dim = layout.head_dim;
    const int64_t row_tile = RowTiles(sequence_) - 1 - (number - begin_) / kv_heads;
    const int64_t kv_head = (number - begin_) % kv_heads;
    const int64_t first = row_tile * tile_rows_;
    const int64_t head_offset = kv_head * group_ * dim;
    const int64_t plane = kv_head * layout.plane_bytes() / kv_heads;
    const auto* const base = reinterpret_cast<const unsigned char*>(call_.kv.base);
    return AttentionTile{
        .k = base + layout.k_offset(call_.layer) + plane,
        .v = base + layout.v_offset(call_.layer) + plane,
        .block_bytes = layout.block_bytes(),
        .blocks = sequence.blocks,
        .position = sequence.context + first,
        .rows = std::min(tile_rows_, sequence.rows - first),
        .group = group_,
        .head_dim = dim,
        .q = call_.q + (sequence.first_row + first) * call_.q_stride + head_offset,
        .q_stride = call_.q_stride,
        .out = call_.out + (sequence.first_row + first) * call_.out_stride + head_offset,
        .out_stride = call_.out_stride,
        .scale = call_.scale,
    };
  }

 private:
  int64_t RowTiles(int64_t sequence) const {
    return (call_.sequences[sequence].rows + tile_rows_ - 1) / tile_rows_;
  }
  int64_t TilesOf(int64_t sequence) const { return RowTiles(sequence) * call_.kv.layout.kv_heads; }

  const AttentionCall& call_;
  const int64_t group_, tile_rows_;
  int64_t sequence_ = 0, begin_ = 0;  // the cursor: a sequence and the number of its first tile
};

// The calling thread's scratch memory for a tile, grown when needed and kept.
float* Scratch(int64_t queries, int64_t head_dim) {
  thread_local AlignedBuffer buffer;
  const int64_t padded = (head_dim + 15) / 16 * 16;
  const int64_t floats = queries * (head_dim + padded + kKvBlockTokens + 3);
  const size_t bytes = static_cast<size_t>(floats) * sizeof(float);
  if (buffer.size() < bytes) buffer = AlignedBuffer(bytes);
  return buffer.as<float>();
}

// Threads take the tiles one by one, so that none waits long for another whatever the contexts.
template <AttentionTileFunction* kTile>
void Run(const AttentionCall& call, ThreadPool& pool) {
  const int64_t tiles = TileCursor(call).Count();
  std::atomic<int64_t> next = 0;
  const auto work = [&](int) {
    TileCursor cursor(call);
    float* const scratch = Scratch(cursor.tile_queries(), call.kv.layout.head_dim);
    for (int64_t i = next++; i < tiles; i = next++) kTile(cursor.Find(i), scratch);
  };
  if (tiles <= 1) {
    work(0);
  } else {
    pool.Run(work);
  }
}

template <KvStoreFunction* kStore>
void Store(const KvView& kv, int layer, const int32_t* blocks, int64_t position, const float* k,
           const float* v) {
  const KvLayout& layout = kv.layout;
  const int64_t head_bytes = layout.plane_bytes() / layout.kv_heads;
  auto* const block = reinterpret_cast<unsigned char*>(kv.base) +
                      blocks[position / kKvBlockTokens] * layout.block_bytes();
  for (int64_t head = 0; head < layout.kv_heads; ++head) {
    kStore(k + head * layout.head_dim, v + head * layout.head_dim, layout.head_dim,
           position % kKvBlockTokens, block + layout.k_offset(layer) + head * head_bytes,
           block + layout.v_offset(layer) + head * head_bytes);
  }
}

template <KvStoreFunction* kStore, AttentionTileFunction* kTile>
constexpr AttentionKernel Kernel(const char* name, Isa isa, KvType type) {
  return {name, isa, type, Store<kStore>, Run<kTile>};
}

constexpr AttentionKernel kKernels[] = {
    Kernel<isa_reference::KvStoreF32, isa_reference::AttentionTileF32>(
        "attention_f32_reference", Isa::kReference, KvType::kF32),
    Kernel<isa_reference::KvStoreF16, isa_reference::AttentionTileF16>(
        "attention_f16_reference", Isa::kReference, KvType::kF16),
#if defined(__x86_64__)
    Kernel<isa_avx2::KvStoreF32, isa_avx2::AttentionTileF32>("attention_f32_avx2", Isa::kAvx2,
                                                             KvType::kF32),
    Kernel<isa_avx2::KvStoreF16, isa_avx2::AttentionTileF16>("attention_f16_avx2", Isa::kAvx2,
                                                             KvType::kF16),
    Kernel<isa_avx512vnni::KvStoreF32, isa_avx512vnni::AttentionTileF32>(
        "attention_f32_avx512vnni", Isa::kAvx512Vnni, KvType::kF32),
    Kernel<isa_avx512vnni::KvStoreF16, isa_avx512vnni::AttentionTileF16>(
        "attention_f16_avx512vnni", Isa::kAvx512Vnni, KvType::kF16),
#endif
};

}  // namespace

const char* KvTypeName(KvType type) { return type == KvType::kF32 ? "F32" : "F16"; }

const std::vector<const AttentionKernel*>& AttentionKernels() {
  static const auto* const kernels = [] {
    auto* list = new std::vector<const AttentionKernel*>;
    for (const AttentionKernel& kernel : kKernels) list->push_back(&kernel);
    return list;
  }();
  return *kernels;
}

}  // namespace quantd
