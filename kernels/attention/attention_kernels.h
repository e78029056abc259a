#ifndef QUANTD_KERNELS_ATTENTION_ATTENTION_KERNELS_H_
#define QUANTD_KERNELS_ATTENTION_ATTENTION_KERNELS_H_

#include <stdint.h>

// Plain declarations of the attention kernels of every instruction set. Separate from attention.h
// because ISA units may include neither the standard library nor anything that does.

namespace quantd {

/// Tokens per KV block; attention.cc proves it equal to kKvBlockTokens.
inline constexpr int kTileBlockTokens = 32;

/// Tokens that are attended together: positions [s * kSegmentTokens, (s + 1) * kSegmentTokens) are
/// segment s. What a query gets from a segment is computed by itself and added to what the segments
/// before it gave, always in this order: so segments may be computed by several threads, and a
/// result does not depend on whether they were.
inline constexpr int kSegmentTokens = 256;

/// A bfloat16 number in KV memory; its float has these bits on top.
struct KvBfloat16 {
  uint16_t bits;
};

/// How a vector x becomes int8 codes: x * inverse, rounded to nearest even; x is about code *
/// scale.
struct KvInt8Scale {
  float scale, inverse;
};

/// From max|x|. A vector of next to nothing becomes zeros: 127 / max|x| must stay finite. One with
/// a NaN or an infinity gets scale NaN, which shows in every result that it takes part in, and
/// codes 0.
static inline KvInt8Scale KvInt8ScaleOf(float largest, bool finite) {
  if (!finite) return {__builtin_nanf(""), 0.0f};
  if (largest < 0x1p-100f) return {0.0f, 0.0f};
  return {largest / 127.0f, 127.0f / largest};
}

/// A window that is never full.
inline constexpr int64_t kNoWindow = INT64_MAX;

/// The first token that a row at `position` sees.
static inline int64_t FirstToken(int64_t position, int64_t window) {
  return position < window ? 0 : position - window + 1;
}

/// Query rows of one sequence against one KV head: the unit of work of an attention call.
struct AttentionTile {
  const unsigned char* k;  ///< K of this layer and KV head in block 0: KvLayout has the order
  const unsigned char* v;  ///< V of the same
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
  float soft_cap;             ///< as in AttentionCall
  int64_t window;             ///< tokens that a row sees at most; kNoWindow: all
  int64_t first_segment;      ///< that is attended
  const AttentionTile* next;  ///< what the thread will probably attend next, or null
};

/// The first query that sees tokens from `start` on.
static inline int64_t FirstQuery(const AttentionTile& tile, int64_t start) {
  return start > tile.position ? (start - tile.position) * tile.group : 0;
}

/// Behind the last query that sees tokens before `end`.
static inline int64_t EndQuery(const AttentionTile& tile, int64_t end) {
  const int64_t last = tile.position + tile.rows - 1;
  if (FirstToken(last, tile.window) < end) return tile.rows * tile.group;
  const int64_t rows = end + tile.window - 1 - tile.position;
  return rows > 0 ? rows * tile.group : 0;
}

/// The first segment that a query sees.
static inline int64_t FirstSegment(const AttentionTile& tile, int64_t query) {
  return FirstToken(tile.position + query / tile.group, tile.window) / kSegmentTokens;
}

// What some segments gave the queries of a tile is a *state* of StateFloats floats: for each query
// the largest score, the sum of the weights exp(score - largest), and the weighted sum of values.

/// head_dim up to a multiple of every vector width.
static inline int64_t PaddedHeadDim(int64_t head_dim) { return (head_dim + 15) / 16 * 16; }

/// Floats of a state of `queries` queries.
static inline int64_t StateFloats(int64_t queries, int64_t head_dim) {
  return queries * (PaddedHeadDim(head_dim) + 2);
}

/// Floats from a query's weights to the next one's: more than a segment, so that the weights of
/// many queries do not fall into the same lines of the L1 cache.
inline constexpr int64_t kWeightStride = kSegmentTokens + 16;

/// Floats of scratch memory that a segment of `queries` queries needs: the queries, their weights,
/// and one block of K or V as floats.
static inline int64_t ScratchFloats(int64_t queries, int64_t head_dim) {
  return queries * (head_dim + kWeightStride) + kTileBlockTokens * PaddedHeadDim(head_dim);
}

/// The attention functions of one instruction set for one type of KV memory.
struct AttentionFunctions {
  /// Writes to `state` what segment `segment` gives the rows that see any of it, of which there
  /// must be one; the state of the others is left as it was.
  void (*attend)(const AttentionTile& tile, int64_t segment, float* state, float* scratch);
  /// Adds `part`, what segment `segment` gave, to `state`, what those before it gave; for queries
  /// that see none before it, it becomes the state.
  void (*merge)(const AttentionTile& tile, int64_t segment, float* state, const float* part);
  /// Writes the result of all rows from the state of all segments.
  void (*finish)(const AttentionTile& tile, const float* state);
  /// Stores one token's key and value of one KV head: k, v [head_dim] into slot `slot` of the
  /// head's planes.
  void (*store)(const float* k, const float* v, int64_t head_dim, int64_t slot,
                unsigned char* k_plane, unsigned char* v_plane);
};

/// Values of KvType.
inline constexpr int kKvTypes = 4;

// By KvType.
namespace isa_reference {
extern const AttentionFunctions kAttention[kKvTypes];
}
namespace isa_avx2 {
extern const AttentionFunctions kAttention[kKvTypes];
}
namespace isa_avx512vnni {
extern const AttentionFunctions kAttention[kKvTypes];
}

}  // namespace quantd

#endif  // QUANTD_KERNELS_ATTENTION_ATTENTION_KERNELS_H_
