#ifndef QUANTD_KERNELS_ATTENTION_ATTENTION_KERNELS_H_
#define QUANTD_KERNELS_ATTENTION_ATTENTION_KERNELS_H_

#include <stdint.h>

// Plain declarations of the attention kernels of every instruction set. Separate from attention.h
// because ISA units may include neither the standard library nor anything that does.

namespace quantd {

/// Tokens per KV block; attention.h proves it equal to kKvBlockTokens.
inline constexpr int kTileBlockTokens = 32;

/// Query rows of one sequence against one KV head: the unit of work of an attention call.
struct AttentionTile {
  const unsigned char* k;  ///< K of this layer and KV head in block 0, [head_dim, block tokens]
  const unsigned char* v;  ///< V of the same, [block tokens, head_dim]
  int64_t block_bytes;     ///< from a block to the next, for both
  const int32_t* blocks;   ///< position p is in block blocks[p / block tokens]
  int64_t position;        ///< of the first row; the others follow
  int64_t rows;
  int64_t group;  ///< query heads that share the KV head, side by side in q and out
  int64_t head_dim;
  const float* q;  ///< [rows, group, head_dim], q_stride floats between rows
  int64_t q_stride;
  float* out;  ///< as q
  int64_t out_stride;
  float scale;
};

/// Computes one tile. `scratch`: for each of its rows * group queries head_dim floats, head_dim
/// rounded up to a multiple of 16, kTileBlockTokens and 3 more.
using AttentionTileFunction = void(const AttentionTile& tile, float* scratch);

/// Stores one token's key and value of one KV head: k, v [head_dim] into slot `slot` of the planes
/// k_plane [head_dim, block tokens] and v_plane [block tokens, head_dim].
using KvStoreFunction = void(const float* k, const float* v, int64_t head_dim, int64_t slot,
                             unsigned char* k_plane, unsigned char* v_plane);

namespace isa_reference {
AttentionTileFunction AttentionTileF32, AttentionTileF16;
KvStoreFunction KvStoreF32, KvStoreF16;
}  // namespace isa_reference

namespace isa_avx2 {
AttentionTileFunction AttentionTileF32, AttentionTileF16;
KvStoreFunction KvStoreF32, KvStoreF16;
}  // namespace isa_avx2

namespace isa_avx512vnni {
AttentionTileFunction AttentionTileF32, AttentionTileF16;
KvStoreFunction KvStoreF32, KvStoreF16;
}  // namespace isa_avx512vnni

}  // namespace quantd

#endif  // QUANTD_KERNELS_ATTENTION_ATTENTION_KERNELS_H_
