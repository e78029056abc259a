#ifndef QUANTD_KERNELS_ATTENTION_ATTENTION_H_
#define QUANTD_KERNELS_ATTENTION_ATTENTION_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/base/isa.h"
#include "kernels/base/thread_pool.h"

namespace quantd {

/// Element type of the KV cache.
enum class KvType : uint8_t { kF32, kF16, kBf16, kInt8 };

/// What is to be known of a KV type.
struct KvTypeInfo {
  KvType type;
  const char* name;  ///< in reports
  int element_bytes;
  bool scaled;      ///< elements are integers, with an F32 scale per token and KV head
  const char* how;  ///< what kernels do with it, for people
};
/// All types, in the order of KvType.
const std::vector<KvTypeInfo>& KvTypes();
const KvTypeInfo& Info(KvType type);
inline const char* KvTypeName(KvType type) { return Info(type).name; }

/// Tokens per KV block.
inline constexpr int kKvBlockTokens = 32;

/// Where the keys and values of one layer lie. A block holds kKvBlockTokens tokens of every layer;
/// inside it, for each layer, a plane of K and then one of V; in a plane, for each KV head: K
/// [head_dim, kKvBlockTokens], or V [kKvBlockTokens, head_dim], then, where the type has them, F32
/// scales [kKvBlockTokens]. The contiguous dimension is the one a kernel's vector lanes run over:
/// tokens for scores, elements for the weighted sum of values; so neither needs a sum across lanes,
/// and one query row is computed exactly as a tile of many.
struct KvLayout {
  KvType type = KvType::kF16;
  int layers = 0;
  int kv_heads = 0;
  int head_dim = 0;

  /// Bytes of K (or V) of one layer and KV head in one block.
  int64_t head_bytes() const {
    const KvTypeInfo& info = Info(type);
    const int64_t scale_bytes = info.scaled ? sizeof(float) : 0;
    return kKvBlockTokens * (int64_t{head_dim} * info.element_bytes + scale_bytes);
  }
  /// Bytes of K (or V) of one layer in one block.
  int64_t plane_bytes() const { return kv_heads * head_bytes(); }
  int64_t block_bytes() const { return 2 * layers * plane_bytes(); }
  int64_t k_offset(int layer) const { return 2 * layer * plane_bytes(); }
  int64_t v_offset(int layer) const { return (2 * layer + 1) * plane_bytes(); }
};

/// The KV memory as kernels see it: block b starts at base + b * layout.block_bytes().
struct KvView {
  KvLayout layout;
  std::byte* base = nullptr;
};

/// One sequence's part of an attention call: query rows [first_row, first_row + rows) of the
/// batch stand at positions [context, context + rows); `blocks` maps position p to KV block
/// blocks[p / kKvBlockTokens]. The K and V of the new rows are already stored.
struct AttentionSequence {
  int64_t first_row = 0;
  int64_t rows = 0;
  int64_t context = 0;
  const int32_t* blocks = nullptr;
};

/// Causal attention of one layer for a whole batch.
struct AttentionCall {
  KvView kv;
  int layer = 0;
  int heads = 0;       ///< query heads, a multiple of kv_heads; head h reads kv head
                       ///< h / (heads / kv_heads)
  float scale = 0;     ///< applied to q.k, 1/sqrt(head_dim) as a rule
  float soft_cap = 0;  ///< a scaled score s becomes soft_cap * tanh(s / soft_cap); 0 = stays s
  int64_t window = 0;  ///< tokens that a query sees at most, its own and those before; 0 = all
  const AttentionSequence* sequences = nullptr;
  int64_t sequence_count = 0;
  const float* q = nullptr;  ///< [rows, heads, head_dim], q_stride floats between rows
  int64_t q_stride = 0;
  float* out = nullptr;  ///< as q; must not alias it
  int64_t out_stride = 0;
};

/// Attention of one instruction set and KV type. A row's result does not depend on the other rows
/// of the call, on how the prompt was cut into chunks, or on the number of threads; a long context
/// is shared among threads. Tokens that a row does not see, because they are behind it, outside of
/// its window or not there yet, take no part in its result, whatever bytes their slots hold; blocks
/// that no row sees may be anything.
struct AttentionKernel {
  const char* name;
  Isa isa;
  KvType type;
  /// Writes k, v [kv_heads, head_dim] of one token at `position` into its block.
  void (*store)(const KvView& kv, int layer, const int32_t* blocks, int64_t position,
                const float* k, const float* v);
  void (*run)(const AttentionCall& call, ThreadPool& pool);
};

/// Every attention kernel in this build, weakest ISA first within a type.
const std::vector<const AttentionKernel*>& AttentionKernels();

}  // namespace quantd

#endif  // QUANTD_KERNELS_ATTENTION_ATTENTION_H_
