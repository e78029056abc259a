#ifndef QUANTD_KERNELS_ATTENTION_CPU_ATTENTION_SIMD_H_
#define QUANTD_KERNELS_ATTENTION_CPU_ATTENTION_SIMD_H_

#include <math.h>
#include <stdint.h>

#include "kernels/attention/attention_kernels.h"
#include "kernels/ops/cpu/simd_math.h"

// Paged causal attention over the vector type V of an ISA unit and the KV element T.
//
// A tile walks the KV blocks from the first to the last, keeping for each query the maximum score,
// the sum of weights and the weighted sum of values so far (online softmax, Milakov & Gimelshein
// 2018). Within a block everything is one chain of fused multiply-adds per element, in the order of
// head elements for scores and of tokens for values: so the result of a query is the same bit for
// bit whether it shares the pass with others or goes alone. Up to kQueriesAtOnce queries
// share each load of K and V; the rest of the tile finds the block in the L1 cache.

namespace quantd::simd {

inline constexpr int kQueriesAtOnce = 4;

/// What a tile keeps for its queries, in scratch memory.
struct TileState {
  float* q;           ///< [queries, head_dim], scaled
  float* values;      ///< [queries, padded]: weighted sum of V
  int64_t padded;     ///< head_dim up to a multiple of 16
  float* weights;     ///< [queries, block tokens]: scores, then exp(score - max)
  float* max;         ///< [queries]
  float* sum;         ///< [queries]
  float* correction;  ///< [queries]: what sums so far are multiplied by in this block
};

/// weights[n][t] = q[n] . k[:, t] for the tokens of one block.
template <class V, class T, int N>
inline void Scores(const T* k, const float* q, int64_t head_dim, float* weights) {
  constexpr int kVectors = kTileBlockTokens / V::kWidth;
  // Registers for N x kAtOnce sums besides the vectors of K themselves.
  constexpr int kAtOnce = V::kWidth == 16 || N <= 2 ? kVectors : kVectors / 2;
  for (int part = 0; part < kVectors; part += kAtOnce) {
    typename V::F sums[N][kAtOnce];
    for (int n = 0; n < N; ++n) {
      for (int j = 0; j < kAtOnce; ++j) sums[n][j] = V::Zero();
    }
    const T* row = k + part * V::kWidth;
    for (int64_t i = 0; i < head_dim; ++i, row += kTileBlockTokens) {
      typename V::F keys[kAtOnce];
      for (int j = 0; j < kAtOnce; ++j) keys[j] = V::Load(row + j * V::kWidth);
      for (int n = 0; n < N; ++n) {
        const typename V::F element = V::Set(q[n * head_dim + i]);
        for (int j = 0; j < kAtOnce; ++j) sums[n][j] = V::Fma(element, keys[j], sums[n][j]);
      }
    }
    for (int n = 0; n < N; ++n) {
      float* const out = weights + n * kTileBlockTokens + part * V::kWidth;
      for (int j = 0; j < kAtOnce; ++j) V::Store(out + j * V::kWidth, sums[n][j]);
    }
  }
}

/// Turns the scores of one query into weights relative to the new maximum. Tokens from `count` on
/// do not exist for it: their scores may be anything.
template <class V>
inline void Weigh(const TileState& state, int64_t query, int64_t count) {
  using F = typename V::F;
  constexpr int kVectors = kTileBlockTokens / V::kWidth;
  float* const weights = state.weights + query * kTileBlockTokens;
  const F lowest = V::Set(-INFINITY);
  F scores[kVectors];
  F top = lowest;
  for (int j = 0; j < kVectors; ++j) {
    int64_t valid = count - j * V::kWidth;
    valid = valid < 0 ? 0 : valid > V::kWidth ? V::kWidth : valid;
    scores[j] = V::KeepFirst(V::Load(weights + j * V::kWidth), valid, lowest);
    top = V::Max(top, scores[j]);
  }
  const float old_max = state.max[query];
  const float block_max = V::ReduceMax(top);
  const float new_max = block_max > old_max ? block_max : old_max;
  F total = V::Zero();
  for (int j = 0; j < kVectors; ++j) {
    const F e = Exp<V>(V::Sub(scores[j], V::Set(new_max)));
    total = V::Add(total, e);
    V::Store(weights + j * V::kWidth, e);
  }
  float correction[V::kWidth];
  V::Store(correction, Exp<V>(V::Set(old_max - new_max)));
  state.max[query] = new_max;
  state.correction[query] = correction[0];
  state.sum[query] = __builtin_fmaf(state.sum[query], correction[0], V::ReduceAdd(total));
}

/// values[n][:] = values[n][:] * correction[n] + sum over t < count of weights[n][t] * v[t][:], for
/// kVectors vectors of the head from `v` on. `last`: elements of the last vector.
template <class V, class T, int N, int kVectors>
inline void AddValues(const T* v, int64_t head_dim, int64_t count, int64_t last,
                      const float* weights, const float* correction, float* values,
                      int64_t padded) {
  typename V::F sums[N][kVectors];
  for (int n = 0; n < N; ++n) {
    const typename V::F c = V::Set(correction[n]);
    for (int j = 0; j < kVectors; ++j) {
      sums[n][j] = V::Mul(V::Load(values + n * padded + j * V::kWidth), c);
    }
  }
  for (int64_t t = 0; t < count; ++t, v += head_dim) {
    typename V::F row[kVectors];
    for (int j = 0; j < kVectors; ++j) {
      row[j] = LoadN<V>(v + j * V::kWidth, j == kVectors - 1 ? last : V::kWidth);
    }
    for (int n = 0; n < N; ++n) {
      const typename V::F w = V::Set(weights[n * kTileBlockTokens + t]);
      for (int j = 0; j < kVectors; ++j) sums[n][j] = V::Fma(w, row[j], sums[n][j]);
    }
  }
  for (int n = 0; n < N; ++n) {
    for (int j = 0; j < kVectors; ++j) V::Store(values + n * padded + j * V::kWidth, sums[n][j]);
  }
}

/// One KV block for N queries from `query` on, which all see its first `count` tokens.
template <class V, class T, int N>
inline void AttendBlock(const T* k, const T* v, int64_t head_dim, const TileState& state,
                        int64_t query, int64_t count) {
  Scores<V, T, N>(k, state.q + query * head_dim, head_dim,
                  state.weights + query * kTileBlockTokens);
  for (int n = 0; n < N; ++n) Weigh<V>(state, query + n, count);
  const float* const weights = state.weights + query * kTileBlockTokens;
  const float* const correction = state.correction + query;
  float* const values = state.values + query * state.padded;
  // As many vectors at once as leave registers for one row of V.
  constexpr int kMost = V::kWidth == 16 ? 4 : 2;
  int64_t i = 0;
  for (; i + kMost * V::kWidth <= head_dim; i += kMost * V::kWidth) {
    AddValues<V, T, N, kMost>(v + i, head_dim, count, V::kWidth, weights, correction, values + i,
                              state.padded);
  }
  for (; i < head_dim; i += V::kWidth) {
    const int64_t last = head_dim - i < V::kWidth ? head_dim - i : V::kWidth;
    AddValues<V, T, N, 1>(v + i, head_dim, count, last, weights, correction, values + i,
                          state.padded);
  }
}

/// One KV block for any number of queries that all see its first `count` tokens.
template <class V, class T>
inline void AttendBlock(const T* k, const T* v, int64_t head_dim, const TileState& state,
                        int64_t query, int64_t queries, int64_t count) {
  for (; queries >= kQueriesAtOnce; queries -= kQueriesAtOnce, query += kQueriesAtOnce) {
    AttendBlock<V, T, kQueriesAtOnce>(k, v, head_dim, state, query, count);
  }
  if (queries == 3) AttendBlock<V, T, 3>(k, v, head_dim, state, query, count);
  if (queries == 2) AttendBlock<V, T, 2>(k, v, head_dim, state, query, count);
  if (queries == 1) AttendBlock<V, T, 1>(k, v, head_dim, state, query, count);
}

template <class V>
inline TileState StartTile(const AttentionTile& tile, float* scratch) {
  const int64_t queries = tile.rows * tile.group, dim = tile.head_dim;
  TileState state;
  state.padded = (dim + 15) / 16 * 16;
  state.values = scratch;
  state.weights = state.values + queries * state.padded;
  state.q = state.weights + queries * kTileBlockTokens;
  state.max = state.q + queries * dim;
  state.sum = state.max + queries;
  state.correction = state.sum + queries;
  ForEachVector<V>(queries * state.padded,
                   [&](int64_t i, int64_t n) { StoreN<V>(state.values + i, n, V::Zero()); });
  const typename V::F scale = V::Set(tile.scale);
  for (int64_t row = 0; row < tile.rows; ++row) {
    const float* const from = tile.q + row * tile.q_stride;
    float* const to = state.q + row * tile.group * dim;
    ForEachVector<V>(tile.group * dim, [&](int64_t i, int64_t n) {
      StoreN<V>(to + i, n, V::Mul(LoadN<V>(from + i, n), scale));
    });
  }
  for (int64_t query = 0; query < queries; ++query) {
    state.max[query] = -INFINITY;
    state.sum[query] = 0;
  }
  return state;
}

template <class V>
inline void FinishTile(const AttentionTile& tile, const TileState& state) {
  for (int64_t query = 0; query < tile.rows * tile.group; ++query) {
    const typename V::F sum = V::Set(state.sum[query]);
    const float* const values = state.values + query * state.padded;
    float* const out =
        tile.out + query / tile.group * tile.out_stride + query % tile.group * tile.head_dim;
    ForEachVector<V>(tile.head_dim, [&](int64_t i, int64_t n) {
      StoreN<V>(out + i, n, V::Div(V::Load(values + i), sum));
    });
  }
}

template <class V, class T>
inline void Tile(const AttentionTile& tile, float* scratch) {
  const TileState state = StartTile<V>(tile, scratch);
  const int64_t end = tile.position + tile.rows;
  for (int64_t start = 0, b = 0; start < end; start += kTileBlockTokens, ++b) {
    const int64_t offset = tile.blocks[b] * tile.block_bytes;
    const T* const k = reinterpret_cast<const T*>(tile.k + offset);
    const T* const v = reinterpret_cast<const T*>(tile.v + offset);
    // Rows before the block's first token see none of it; those in the block see a part each; from
    // its last token on they see all of it and go together.
    int64_t row = start > tile.position ? start - tile.position : 0;
    while (row < tile.rows) {
      const int64_t seen = tile.position + row - start + 1;
      const bool whole = seen >= kTileBlockTokens;
      const int64_t rows = whole ? tile.rows - row : 1;
      AttendBlock<V, T>(k, v, tile.head_dim, state, row * tile.group, rows * tile.group,
                        whole ? int64_t{kTileBlockTokens} : seen);
      row += rows;
    }
  }
  FinishTile<V>(tile, state);
}

template <class V, class T>
inline void StoreToken(const float* k, const float* v, int64_t head_dim, int64_t slot,
                       unsigned char* k_plane, unsigned char* v_plane) {
  T* const k_out = reinterpret_cast<T*>(k_plane) + slot;
  T* const v_out = reinterpret_cast<T*>(v_plane) + slot * head_dim;
  ForEachVector<V>(head_dim, [&](int64_t i, int64_t n) {
    T keys[V::kWidth];
    V::Store(keys, LoadN<V>(k + i, n));
    for (int64_t j = 0; j < n; ++j) k_out[(i + j) * kTileBlockTokens] = keys[j];
    StoreN<V>(v_out + i, n, LoadN<V>(v + i, n));
  });
}

}  // namespace quantd::simd

#endif  // QUANTD_KERNELS_ATTENTION_CPU_ATTENTION_SIMD_H_
