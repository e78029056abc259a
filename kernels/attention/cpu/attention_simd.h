#ifndef QUANTD_KERNELS_ATTENTION_CPU_ATTENTION_SIMD_H_
#define QUANTD_KERNELS_ATTENTION_CPU_ATTENTION_SIMD_H_

#include <math.h>
#include <stdint.h>

#include "kernels/attention/attention_kernels.h"
#include "kernels/ops/cpu/simd_math.h"

// Paged causal attention over the vector type V of an ISA unit and the KV element T.
//
// Of each segment a tile computes all scores, then all weights exp(score - largest score of the
// segment), then the weighted sum of values; segments are put together afterwards (the rule of
// Milakov & Gimelshein 2018). Every score and every sum is one chain of fused multiply-adds, in the
// order of head elements and of tokens: so the result of a query is the same bit for bit whether it
// shares the pass with others or goes alone. As many queries as registers allow share each load of
// K or V; where there are more than that, a block is turned into floats once for all of them. Few
// queries are bounded by memory, whose prefetchers do not follow the blocks: it is asked for ahead.
//
// All functions are static or templates of V, so that none can be linked into another instruction
// set's place.

namespace quantd::simd {

/// Queries that share a load of K in Scores, and of V in AddValues, and vectors of values at once.
template <class V>
inline constexpr int kScoreQueries = V::kWidth == 16 ? 8 : 6;
template <class V>
inline constexpr int kValueQueries = V::kWidth == 16 ? 4 : 6;
template <class V>
inline constexpr int kValueVectors = V::kWidth == 16 ? 4 : 2;
inline constexpr int kScoreVectors = 2;

/// True for elements that have a scale per token, which lies behind the elements of the plane.
template <class T>
inline constexpr bool kScaled = false;
template <>
inline constexpr bool kScaled<int8_t> = true;

/// The parts of a state; Float is float or const float.
template <class V, class Float>
struct TileState {
  TileState(const AttentionTile& tile, Float* floats)
      : max(floats),
        sum(max + tile.rows * tile.group),
        values(sum + tile.rows * tile.group),
        padded(PaddedHeadDim(tile.head_dim)) {}

  Float* const max;      ///< [queries]
  Float* const sum;      ///< [queries]
  Float* const values;   ///< [queries, padded]
  const int64_t padded;  ///< head_dim and what fills the last vector
};

template <int N>
struct Count {
  static constexpr int value = N;
};

/// body(Count<n>), n within 1 .. kMost.
template <int kMost, class Body>
inline void CallWithCount(int64_t n, const Body& body) {
  if constexpr (kMost > 1) {
    if (n < kMost) return CallWithCount<kMost - 1>(n, body);
  }
  body(Count<kMost>());
}

/// Calls body(query, Count<n>) for consecutive parts of [begin, end), as even as possible and of at
/// most kMost queries.
template <int kMost, class Body>
inline void ForQueries(int64_t begin, int64_t end, const Body& body) {
  for (int64_t parts = (end - begin + kMost - 1) / kMost; parts > 0; --parts) {
    const int64_t n = (end - begin) / parts;
    CallWithCount<kMost>(n, [&](auto count) { body(begin, count); });
    begin += n;
  }
}

/// How many bytes before it is read memory is asked for: what a thread reads while it would wait.
inline constexpr int64_t kAheadBytes = 8192;

/// The part of KV memory that is read `index` planes (K or V of one block) after the first one of a
/// segment; null where that is not known.
static inline const unsigned char* PlaneAfter(const AttentionTile& tile, int64_t segment,
                                              int64_t index) {
  const int64_t tokens = tile.position + tile.rows;
  for (int64_t start = segment * kSegmentTokens; start < tokens; start += kSegmentTokens) {
    const int64_t left = tokens - start < kSegmentTokens ? tokens - start : kSegmentTokens;
    const int64_t blocks = (left + kTileBlockTokens - 1) / kTileBlockTokens;
    if (index < 2 * blocks) {
      const int64_t block = start / kTileBlockTokens + (index < blocks ? index : index - blocks);
      return (index < blocks ? tile.k : tile.v) + tile.blocks[block] * tile.block_bytes;
    }
    index -= 2 * blocks;
  }
  return tile.next == nullptr ? nullptr : PlaneAfter(*tile.next, tile.next->first_segment, index);
}

/// Asks for the memory of kCount elements; nothing for null.
template <class V, int kCount, class T>
inline void Prefetch(const T* elements) {
  if (elements == nullptr) return;
  constexpr int kBytes = kCount * static_cast<int>(sizeof(T));
#pragma GCC unroll 16
  for (int i = 0; i < kBytes; i += 64) {
    __builtin_prefetch(reinterpret_cast<const unsigned char*>(elements) + i);
  }
}

/// A pointer moved on, unless it is null.
template <class V, class T>
inline const T* Shift(const T* elements, int64_t count) {
  return elements == nullptr ? nullptr : elements + count;
}

/// weights[n][t] = q[n] . k[:, t] for the tokens of one block. `ahead`: a plane to ask for
/// meanwhile, or null; as in what follows.
template <class V, class T, int N>
inline void Scores(const T* k, const T* ahead, const float* q, int64_t head_dim, float* weights) {
  for (int part = 0; part < kTileBlockTokens; part += kScoreVectors * V::kWidth) {
    typename V::F sums[N][kScoreVectors];
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) {
#pragma GCC unroll 16
      for (int j = 0; j < kScoreVectors; ++j) sums[n][j] = V::Zero();
    }
    const T* row = k + part;
    for (int64_t i = 0; i < head_dim; ++i, row += kTileBlockTokens) {
      Prefetch<V, kScoreVectors * V::kWidth>(Shift<V>(ahead, part + i * kTileBlockTokens));
      typename V::F keys[kScoreVectors];
#pragma GCC unroll 16
      for (int j = 0; j < kScoreVectors; ++j) keys[j] = V::Load(row + j * V::kWidth);
#pragma GCC unroll 16
      for (int n = 0; n < N; ++n) {
        const typename V::F element = V::Set(q[n * head_dim + i]);
#pragma GCC unroll 16
        for (int j = 0; j < kScoreVectors; ++j) {
          sums[n][j] = V::Fma(element, keys[j], sums[n][j]);
        }
      }
    }
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) {
      float* const out = weights + n * kWeightStride + part;
#pragma GCC unroll 16
      for (int j = 0; j < kScoreVectors; ++j) V::Store(out + j * V::kWidth, sums[n][j]);
    }
  }
}

/// values[n][:] += sum over t < count of weights[n][t] * v[t][:], for kVectors vectors of the head.
/// `last`: elements of the last vector.
template <class V, class T, int N, int kVectors>
inline void AddValues(const T* v, const T* ahead, int64_t stride, int64_t count, int64_t last,
                      const float* weights, float* values, int64_t padded) {
  typename V::F sums[N][kVectors];
#pragma GCC unroll 16
  for (int n = 0; n < N; ++n) {
#pragma GCC unroll 16
    for (int j = 0; j < kVectors; ++j) sums[n][j] = V::Load(values + n * padded + j * V::kWidth);
  }
  for (int64_t t = 0; t < count; ++t, v += stride) {
    Prefetch<V, kVectors * V::kWidth>(Shift<V>(ahead, t * stride));
    typename V::F row[kVectors];
#pragma GCC unroll 16
    for (int j = 0; j < kVectors; ++j) {
      row[j] = LoadN<V>(v + j * V::kWidth, j == kVectors - 1 ? last : V::kWidth);
    }
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) {
      const typename V::F w = V::Set(weights[n * kWeightStride + t]);
#pragma GCC unroll 16
      for (int j = 0; j < kVectors; ++j) sums[n][j] = V::Fma(w, row[j], sums[n][j]);
    }
  }
#pragma GCC unroll 16
  for (int n = 0; n < N; ++n) {
#pragma GCC unroll 16
    for (int j = 0; j < kVectors; ++j) V::Store(values + n * padded + j * V::kWidth, sums[n][j]);
  }
}

/// AddValues over the whole head. `elements`: of a row of V that exist, at least head_dim.
template <class V, class T, int N>
inline void AddValues(const T* v, const T* ahead, int64_t stride, int64_t elements, int64_t count,
                      const float* weights, float* values, int64_t padded) {
  constexpr int kMost = kValueVectors<V>;
  int64_t i = 0;
  for (; i + kMost * V::kWidth <= elements; i += kMost * V::kWidth) {
    AddValues<V, T, N, kMost>(v + i, Shift<V>(ahead, i), stride, count, V::kWidth, weights,
                              values + i, padded);
  }
  for (; i < elements; i += V::kWidth) {
    const int64_t last = elements - i < V::kWidth ? elements - i : V::kWidth;
    AddValues<V, T, N, 1>(v + i, Shift<V>(ahead, i), stride, count, last, weights, values + i,
                          padded);
  }
}

/// One segment of a tile.
template <class V, class T>
class SegmentPass {
 public:
  SegmentPass(const AttentionTile& tile, int64_t segment, float* state, float* scratch)
      : tile_(tile),
        segment_(segment),
        start_(segment * kSegmentTokens),
        end_(tile.position + tile.rows < start_ + kSegmentTokens ? tile.position + tile.rows
                                                                 : start_ + kSegmentTokens),
        first_(FirstQuery(tile, start_)),
        limit_(EndQuery(tile, start_ + kSegmentTokens)),
        queries_(tile.rows * tile.group),
        state_(tile, state),
        q_(scratch),
        weights_(q_ + queries_ * tile.head_dim),
        slab_(weights_ + queries_ * kWeightStride) {}

  void Run() {
    const int64_t begin = start_ + FirstBlock(first_);  // the first query sees the first tokens
    ScaleQueries();
    for (int64_t b = begin; b < end_; b += kTileBlockTokens) ScoreBlock(b);
    for (int64_t query = first_; query < limit_; ++query) Weigh(query);
    for (int64_t b = begin; b < end_; b += kTileBlockTokens) AddBlock(b);
  }

 private:
  using F = typename V::F;

  const T* Plane(const unsigned char* plane, int64_t position) const {
    return reinterpret_cast<const T*>(plane + tile_.blocks[position / kTileBlockTokens] *
                                                  tile_.block_bytes);
  }
  const float* Scales(const unsigned char* plane, int64_t position) const {
    return reinterpret_cast<const float*>(Plane(plane, position) +
                                          tile_.head_dim * kTileBlockTokens);
  }

  // The first token of the segment that a query sees, counted from the segment's; and of its block.
  int64_t Low(int64_t query) const {
    const int64_t low = FirstToken(tile_.position + query / tile_.group, tile_.window) - start_;
    return low > 0 ? low : 0;
  }
  int64_t FirstBlock(int64_t query) const {
    return Low(query) / kTileBlockTokens * kTileBlockTokens;
  }

  // What to ask for while the segment's plane of this index is read; null: nothing.
  const T* Ahead(int64_t index) const {
    const int64_t plane_bytes = tile_.head_dim * kTileBlockTokens * static_cast<int64_t>(sizeof(T));
    const int64_t distance = (kAheadBytes + plane_bytes - 1) / plane_bytes;
    return reinterpret_cast<const T*>(PlaneAfter(tile_, segment_, index + distance));
  }

  void ScaleQueries() {
    const F scale = V::Set(tile_.scale);
    const int64_t floats = tile_.group * tile_.head_dim;
    for (int64_t row = first_ / tile_.group; row < limit_ / tile_.group; ++row) {
      const float* const from = tile_.q + row * tile_.q_stride;
      ForEachVector<V>(floats, [&](int64_t i, int64_t n) {
        StoreN<V>(q_ + row * floats + i, n, V::Mul(LoadN<V>(from + i, n), scale));
      });
    }
  }

  // How many queries see some of a block.
  int64_t Queries(int64_t block) const {
    return EndQuery(tile_, block + kTileBlockTokens) - FirstQuery(tile_, block);
  }

  void ScoreBlock(int64_t block) {
    const T* const k = Plane(tile_.k, block);
    if (Queries(block) <= kScoreQueries<V>) {
      ScoreRows(block, k, Ahead((block - start_) / kTileBlockTokens));
      return;
    }
    for (int64_t i = 0; i < tile_.head_dim * kTileBlockTokens; i += V::kWidth) {
      V::Store(slab_ + i, V::Load(k + i));
    }
    ScoreRows<float>(block, slab_, nullptr);
  }

  template <class E>
  void ScoreRows(int64_t block, const E* k, const E* ahead) {
    const int64_t dim = tile_.head_dim;
    ForQueries<kScoreQueries<V>>(
        FirstQuery(tile_, block), EndQuery(tile_, block + kTileBlockTokens),
        [&](int64_t query, auto count) {
          Scores<V, E, count.value>(k, ahead, q_ + query * dim, dim,
                                    weights_ + query * kWeightStride + block - start_);
        });
  }

  F SoftCap(F scores) const {
    return V::Mul(Tanh<V>(V::Mul(scores, V::Set(1.0f / tile_.soft_cap))), V::Set(tile_.soft_cap));
  }

  // Turns the scores of one query into weights, from the first block that it sees on. Tokens behind
  // the query's own and those outside of its window do not exist for it: their scores may be
  // anything.
  void Weigh(int64_t query) {
    const int64_t begin = FirstBlock(query), low = Low(query) - begin;
    const int64_t seen = tile_.position + query / tile_.group + 1;
    const int64_t count = (seen < end_ ? seen : end_) - start_ - begin;
    float* const weights = weights_ + query * kWeightStride + begin;
    const int64_t start = start_ + begin;
    const F lowest = V::Set(-INFINITY);
    F top = lowest;
    ForEachVector<V>(count, [&](int64_t i, int64_t n) {
      F scores = V::Load(weights + i);
      if constexpr (kScaled<T>) {
        scores = V::Mul(scores, V::Load(Scales(tile_.k, start + i) + i % kTileBlockTokens));
      }
      if (tile_.soft_cap != 0) scores = SoftCap(scores);
      scores = V::KeepFirst(scores, n, lowest);
      if (i < low) scores = V::KeepFirst(lowest, low - i < V::kWidth ? low - i : V::kWidth, scores);
      V::Store(weights + i, scores);
      top = V::Max(top, scores);
    });
    const float max = V::ReduceMax(top);
    F sum = V::Zero();
    ForEachVector<V>(count, [&](int64_t i, int64_t) {
      F e = Exp<V>(V::Sub(V::Load(weights + i), V::Set(max)));
      sum = V::Add(sum, e);
      if constexpr (kScaled<T>) {
        e = V::Mul(e, V::Load(Scales(tile_.v, start + i) + i % kTileBlockTokens));
      }
      V::Store(weights + i, e);
    });
    state_.max[query] = max;
    state_.sum[query] = V::ReduceAdd(sum);
    float* const values = state_.values + query * state_.padded;
    for (int64_t i = 0; i < state_.padded; i += V::kWidth) V::Store(values + i, V::Zero());
  }

  void AddBlock(int64_t block) {
    const T* const v = Plane(tile_.v, block);
    const int64_t dim = tile_.head_dim;
    if (Queries(block) <= kValueQueries<V>) {
      const int64_t blocks = (end_ - start_ + kTileBlockTokens - 1) / kTileBlockTokens;
      AddRows(block, v, Ahead(blocks + (block - start_) / kTileBlockTokens), dim, dim);
      return;
    }
    for (int64_t t = 0; t < kTileBlockTokens; ++t) {
      float* const row = slab_ + t * state_.padded;
      ForEachVector<V>(
          dim, [&](int64_t i, int64_t n) { V::Store(row + i, LoadN<V>(v + t * dim + i, n)); });
    }
    const int64_t elements = (dim + V::kWidth - 1) / V::kWidth * V::kWidth;
    AddRows<float>(block, slab_, nullptr, state_.padded, elements);
  }

  // Rows that see a part of the block go one by one; those that see all of it go together: these
  // are the rows from its last token on, as long as its first one is within their window.
  template <class E>
  void AddRows(int64_t block, const E* v, const E* ahead, int64_t stride, int64_t elements) {
    const int64_t rows = EndQuery(tile_, block + kTileBlockTokens) / tile_.group;
    const int64_t whole_rows = EndQuery(tile_, block + 1) / tile_.group;
    int64_t row = FirstQuery(tile_, block) / tile_.group;
    while (row < rows) {
      const int64_t position = tile_.position + row - block;
      const int64_t seen = position < kTileBlockTokens ? position + 1 : kTileBlockTokens;
      const int64_t low = row < whole_rows ? 0 : FirstToken(position + block, tile_.window) - block;
      const int64_t end = seen == kTileBlockTokens && low == 0 ? whole_rows : row + 1;
      ForQueries<kValueQueries<V>>(
          row * tile_.group, end * tile_.group, [&](int64_t query, auto count) {
            AddValues<V, E, count.value>(v + low * stride, ahead, stride, elements, seen - low,
                                         weights_ + query * kWeightStride + block - start_ + low,
                                         state_.values + query * state_.padded, state_.padded);
          });
      row = end;
    }
  }

  const AttentionTile& tile_;
  const int64_t segment_;
  const int64_t start_, end_;    // tokens of the segment that some row sees
  const int64_t first_, limit_;  // queries [first_, limit_) see any of them
  const int64_t queries_;
  const TileState<V, float> state_;
  float* const q_;        // [queries, head_dim], scaled
  float* const weights_;  // [queries, kWeightStride]: scores, then weights
  float* const slab_;     // a block of K or V as floats
};

template <class V, class T>
void Attend(const AttentionTile& tile, int64_t segment, float* state, float* scratch) {
  SegmentPass<V, T>(tile, segment, state, scratch).Run();
}

template <class V>
void CopyState(const TileState<V, const float>& from, int64_t query,
               const TileState<V, float>& to) {
  to.max[query] = from.max[query];
  to.sum[query] = from.sum[query];
  for (int64_t i = query * to.padded; i < (query + 1) * to.padded; i += V::kWidth) {
    V::Store(to.values + i, V::Load(from.values + i));
  }
}

template <class V>
void Merge(const AttentionTile& tile, int64_t segment, float* state, const float* part) {
  using F = typename V::F;
  const TileState<V, float> to(tile, state);
  const TileState<V, const float> from(tile, part);
  const int64_t start = segment * kSegmentTokens, end = EndQuery(tile, start + kSegmentTokens);
  for (int64_t query = FirstQuery(tile, start); query < end; ++query) {
    if (FirstSegment(tile, query) == segment) {
      CopyState(from, query, to);
      continue;
    }
    const float old_max = to.max[query], part_max = from.max[query];
    const float max = part_max > old_max ? part_max : old_max;
    float keep[V::kWidth], take[V::kWidth];
    V::Store(keep, Exp<V>(V::Set(old_max - max)));
    V::Store(take, Exp<V>(V::Set(part_max - max)));
    to.max[query] = max;
    to.sum[query] = __builtin_fmaf(to.sum[query], keep[0], from.sum[query] * take[0]);
    const F kept = V::Set(keep[0]), taken = V::Set(take[0]);
    float* const values = to.values + query * to.padded;
    const float* const added = from.values + query * to.padded;
    for (int64_t i = 0; i < to.padded; i += V::kWidth) {
      V::Store(values + i, V::Fma(V::Load(values + i), kept, V::Mul(V::Load(added + i), taken)));
    }
  }
}

template <class V>
void Finish(const AttentionTile& tile, const float* state) {
  const TileState<V, const float> from(tile, state);
  for (int64_t query = 0; query < tile.rows * tile.group; ++query) {
    const typename V::F sum = V::Set(from.sum[query]);
    const float* const values = from.values + query * from.padded;
    float* const out =
        tile.out + query / tile.group * tile.out_stride + query % tile.group * tile.head_dim;
    ForEachVector<V>(tile.head_dim, [&](int64_t i, int64_t n) {
      StoreN<V>(out + i, n, V::Div(V::Load(values + i), sum));
    });
  }
}

/// How a vector is brought to the range of int8 codes.
template <class V>
class CodeScale {
 public:
  CodeScale(const float* x, int64_t n) {
    F largest = V::Zero(), poison = V::Zero();
    ForEachVector<V>(n, [&](int64_t i, int64_t m) {
      const F value = LoadN<V>(x + i, m);
      largest = V::Max(largest, V::Sub(V::Zero(), V::NegAbs(value)));
      poison = V::Fma(value, V::Zero(), poison);  // NaN from the first infinity or NaN on
    });
    finite_ = V::ReduceAdd(poison) == 0.0f;
    scale_ = KvInt8ScaleOf(V::ReduceMax(largest), finite_);
  }
  float scale() const { return scale_.scale; }
  typename V::F Codes(typename V::F x) const {
    return finite_ ? V::Mul(x, V::Set(scale_.inverse)) : V::Zero();
  }

 private:
  using F = typename V::F;
  bool finite_;
  KvInt8Scale scale_;
};

template <class V, class T>
void StoreToken(const float* k, const float* v, int64_t head_dim, int64_t slot,
                unsigned char* k_plane, unsigned char* v_plane) {
  T* const k_out = reinterpret_cast<T*>(k_plane) + slot;
  T* const v_out = reinterpret_cast<T*>(v_plane) + slot * head_dim;
  const auto store = [&](const auto& k_form, const auto& v_form) {
    ForEachVector<V>(head_dim, [&](int64_t i, int64_t n) {
      T keys[V::kWidth];
      V::Store(keys, k_form(LoadN<V>(k + i, n)));
      for (int64_t j = 0; j < n; ++j) k_out[(i + j) * kTileBlockTokens] = keys[j];
      StoreN<V>(v_out + i, n, v_form(LoadN<V>(v + i, n)));
    });
  };
  if constexpr (kScaled<T>) {
    const CodeScale<V> k_scale(k, head_dim), v_scale(v, head_dim);
    store([&](typename V::F x) { return k_scale.Codes(x); },
          [&](typename V::F x) { return v_scale.Codes(x); });
    const int64_t codes = head_dim * kTileBlockTokens;
    reinterpret_cast<float*>(k_plane + codes)[slot] = k_scale.scale();
    reinterpret_cast<float*>(v_plane + codes)[slot] = v_scale.scale();
  } else {
    const auto same = [](typename V::F x) { return x; };
    store(same, same);
  }
}

template <class V, class T>
inline constexpr AttentionFunctions kFunctions = {Attend<V, T>, Merge<V>, Finish<V>,
                                                  StoreToken<V, T>};

}  // namespace quantd::simd

#endif  // QUANTD_KERNELS_ATTENTION_CPU_ATTENTION_SIMD_H_
