#ifndef QUANTD_KERNELS_GEMM_CPU_ROWS32_KERNELS_H_
#define QUANTD_KERNELS_GEMM_CPU_ROWS32_KERNELS_H_

#include "kernels/gemm/cpu/rows32_tile.h"

// How tiles go over a matrix: one row, an exact number of rows, many rows.

namespace quantd {

// One pass of a column tile over consecutive row groups of args.weights.
struct Pass {
  int64_t groups;
  int64_t column;
  // What is fetched meanwhile, for each row group `fetch_bytes` that lie `fetch_stride` after those
  // of the one before. This pass fetches the part-th of so many parts.
  const uint8_t* fetch;
  int64_t fetch_stride, fetch_bytes;
  int64_t part, parts;
};

template <class Simd, PackedFormat kFormat, int kHalves, int kColumns>
void RunTiles(const GemmArgs& args, const Pass& pass) {
  constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  const int64_t group_bytes = Rows32GroupBytes(kFormat, args.k, args.span);
  // A tile takes a step for each block, for floats every 8 k.
  constexpr int kStepWeights = f.is_float() ? 8 : kBlockWeights;
  const int64_t steps = 2 / kHalves * ((args.k + kStepWeights - 1) / kStepWeights);
  const int64_t begin = pass.fetch_bytes * pass.part / pass.parts / 64 * 64;
  const int64_t end = pass.fetch_bytes * (pass.part + 1) / pass.parts / 64 * 64;
  for (int64_t group = 0; group < pass.groups; ++group) {
    const uint8_t* const w = args.weights + group * group_bytes;
    Prefetch<kColumns> prefetch(pass.fetch + group * pass.fetch_stride + begin, end - begin, steps);
    for (int half = 0; half < 2; half += kHalves) {
      Tile<Simd, kFormat, kHalves, kColumns>::Run(args, w, group * kGroupRows + half * kHalfRows,
                                                  half, pass.column, prefetch);
    }
  }
}

// The body compiled for exactly `columns` columns, 2 .. kMost: even tiles of m >= 2 are never
// narrower.
template <class Simd, PackedFormat kFormat, int kMost>
QUANTD_INLINE void RunColumns(const GemmArgs& args, const Pass& pass, int64_t columns) {
  // Narrow tiles need both halves to hide latencies.
  constexpr int kHalves = kMost <= 2 ? 2 : Simd::kBatchHalves;
  if (columns == kMost) {
    RunTiles<Simd, kFormat, kHalves, kMost>(args, pass);
  } else if constexpr (kMost > 2) {
    RunColumns<Simd, kFormat, kMost - 1>(args, pass, columns);
  }
}

template <class Simd, PackedFormat kFormat>
constexpr int MostColumns() {
  constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  return !f.is_int() ? Simd::kFloatColumns : f.fine() ? Simd::kFineColumns : Simd::kIntColumns;
}

// Tiles [first, last) of the `tiles` that the columns are cut into, as even as possible: a narrow
// last one would unpack weights for little. `pass` says what they fetch together.
template <class Simd, PackedFormat kFormat>
QUANTD_INLINE void RunPasses(const GemmArgs& args, Pass pass, int64_t tiles, int64_t first,
                             int64_t last) {
  pass.parts = last - first;
  for (int64_t tile = first; tile < last; ++tile) {
    pass.part = tile - first;
    pass.column = args.m * tile / tiles;
    const int64_t columns = args.m * (tile + 1) / tiles - pass.column;
    RunColumns<Simd, kFormat, MostColumns<Simd, kFormat>()>(args, pass, columns);
  }
}

// Row groups [begin, end) of `args` as a product of their own.
QUANTD_INLINE GemmArgs SlabOf(const GemmArgs& args, int64_t begin, int64_t end, int64_t stride) {
  GemmArgs slab = args;
  slab.weights += begin * stride;
  slab.groups = end - begin;
  slab.rows = (args.rows < end * kGroupRows ? args.rows : end * kGroupRows) - begin * kGroupRows;
  slab.y += begin * kGroupRows;
  return slab;
}

// m = 1: every weight is read once, so only the stream matters; see Prefetch.
template <class Simd, PackedFormat kFormat>
void RunDecode(const GemmArgs& args) {
  const int64_t group_bytes = Rows32GroupBytes(kFormat, args.k, args.span);
  const uint8_t* const from = args.weights + args.fetch_ahead;
  RunTiles<Simd, kFormat, 2, 1>(args, {args.groups, 0, from, group_bytes, group_bytes, 0, 1});
}

// One row by kGroups row groups at once of a format whose codes stand for floats: the sums of one
// group are a chain of fma, each waiting for the one before.
template <class Simd, PackedFormat kFormat, int kGroups>
void RunScaledGroups(const GemmArgs& args) {
  using Whole = Tile<Simd, kFormat, 2, 1>;
  constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  const int64_t group_bytes = Rows32GroupBytes(kFormat, args.k, args.span);
  typename Simd::Floats acc[kGroups][2];
  for (int g = 0; g < kGroups; ++g) acc[g][0] = acc[g][1] = Simd::Zero();
  const uint8_t* w = args.weights;
  const float* x = args.x;
  const int per_set = args.span / kBlockWeights;
  const int64_t steps = (args.k + kBlockWeights - 1) / kBlockWeights;
  Prefetch<1> prefetches[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    prefetches[g] = Prefetch<1>(w + g * group_bytes + args.fetch_ahead, group_bytes, steps);
  }
  for (int64_t left = args.k; left > 0; left -= kSuperWeights) {
    const int blocks = left >= kSuperWeights
                           ? kBlocksPerSuper
                           : static_cast<int>((left + kBlockWeights - 1) / kBlockWeights);
    const uint8_t* block = w + f.header_bytes(blocks, args.span);
    for (int b = 0, set = 0; b < blocks; ++set) {
      typename Simd::Floats partial[kGroups][2];
      for (int g = 0; g < kGroups; ++g) partial[g][0] = partial[g][1] = Simd::Zero();
      const int end = b + per_set < blocks ? b + per_set : blocks;
      for (; b < end; ++b, block += f.block_bytes(), x += kBlockWeights) {
        const int64_t rest = left - b * kBlockWeights;
        const int count = rest < kBlockWeights ? static_cast<int>(rest) : kBlockWeights;
        // Instructions of its own for each group: a prefetcher knows streams by them.
        Unroll<Simd, 0, kGroups>([&](auto g) __attribute__((always_inline)) {
          prefetches[g.value].Step();
        });
        Unroll<Simd, 0, 8>([&](auto j) __attribute__((always_inline)) {
          for (int g = 0; g < kGroups; ++g) {
            Whole::template AddWords<decltype(j)::value>(block + g * group_bytes, 0, count, &x,
                                                         partial[g]);
          }
        });
      }
      for (int g = 0; g < kGroups; ++g) {
        const typename Whole::Super super(w + g * group_bytes, blocks, args.span, 0, nullptr);
        for (int h = 0; h < 2; ++h) {
          acc[g][h] = Simd::Fma(partial[g][h], super.Scale(set, h), acc[g][h]);
        }
      }
    }
    w += f.super_bytes(blocks, args.span);
  }
  for (int g = 0; g < kGroups; ++g) Whole::Store(args, acc[g], g * kGroupRows, 0);
}

template <class Simd, PackedFormat kFormat>
void RunScaledDecode(const GemmArgs& args) {
  constexpr int kTogether = Simd::kScaledGroups;
  const int64_t group_bytes = Rows32GroupBytes(kFormat, args.k, args.span);
  int64_t group = 0;
  for (; group + kTogether <= args.groups; group += kTogether) {
    RunScaledGroups<Simd, kFormat, kTogether>(SlabOf(args, group, group + kTogether, group_bytes));
  }
  for (; group < args.groups; ++group) {
    RunScaledGroups<Simd, kFormat, 1>(SlabOf(args, group, group + 1, group_bytes));
  }
}

// m >= 2. Columns go in passes whose activations stay in L2; in a pass a slab of row groups, in L2
// too, is gone through by one column tile after the other, which together fetch the next slab.
template <class Simd, PackedFormat kFormat>
void RunBatch(const GemmArgs& args) {
  constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  constexpr int kMost = MostColumns<Simd, kFormat>();
  constexpr int64_t kSlabBytes = 192 * 1024, kPassBytes = 448 * 1024;
  const int64_t group_bytes = Rows32GroupBytes(kFormat, args.k, args.span);
  const int64_t column_bytes =
      f.is_int() ? args.q_stride * static_cast<int64_t>(sizeof(QuantizedBlock)) : args.k * 4;
  const int64_t tiles = (args.m + kMost - 1) / kMost;
  const int64_t fitting = kPassBytes / (column_bytes * kMost);
  const int64_t passes = fitting < 1 ? tiles : (tiles + fitting - 1) / fitting;
  const int64_t pass_tiles = (tiles + passes - 1) / passes;
  const int64_t most = group_bytes < kSlabBytes ? kSlabBytes / group_bytes : 1;
  for (int64_t first = 0; first < tiles; first += pass_tiles) {
    const int64_t last = first + pass_tiles < tiles ? first + pass_tiles : tiles;
    // Nobody has fetched the first slab: it is short.
    for (int64_t begin = 0, groups = 1, end; begin < args.groups; begin = end) {
      end = begin + groups < args.groups ? begin + groups : args.groups;
      groups = 2 * groups < most ? 2 * groups : most;
      const GemmArgs part = SlabOf(args, begin, end, group_bytes);
      const uint8_t* const next = part.weights + part.groups * group_bytes;
      const int64_t fetch = groups * group_bytes / part.groups;
      RunPasses<Simd, kFormat>(part, {part.groups, 0, next, fetch, fetch, 0, 1}, tiles, first,
                               last);
    }
  }
}

template <class Simd, PackedFormat kFormat>
constexpr PackedFormat kExpandedTo = ExpandedOf(kFormat, Simd::kOneSign);

// The codes of a block as bytes, or as floats.
template <class Simd, PackedFormat kFormat>
QUANTD_INLINE void ExpandBlock(const uint8_t* block, uint8_t* out) {
  constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  constexpr Rows32Format to = kRows32[static_cast<int>(kExpandedTo<Simd, kFormat>)];
  typename Simd::Ints negatives[2] = {Simd::ZeroInts(), Simd::ZeroInts()};
  Unroll<Simd, 0, 8>([&](auto j) __attribute__((always_inline)) {
    constexpr int kJ = decltype(j)::value;
    Unroll<Simd, 0, 2>([&](auto h) __attribute__((always_inline)) {
      if constexpr (to.codes == Codes::kValues) {
        const uint8_t* const at = block + 128 * (kJ % f.bits) + 64 * h.value;
        Unroll<Simd, 0, 4>([&](auto i) __attribute__((always_inline)) {
          constexpr int kShift = 8 * decltype(i)::value + kJ / f.bits * f.bits;
          Simd::Store(reinterpret_cast<float*>(out + 128 * (4 * kJ + i.value) + 64 * h.value),
                      Simd::template CodeFloats<kFormat, kShift>(at));
        });
      } else {
        const auto bytes = Simd::template CodeBytes<kFormat, kJ>(block, h.value);
        Simd::StoreBytes(out + 128 * kJ + 64 * h.value,
                         Simd::template AddBytes<to.zero - f.zero>(bytes));
        if constexpr (to.codes == Codes::kSigned) {
          negatives[h.value] = Simd::AddNegatives(negatives[h.value], bytes);
        }
      }
    });
  });
  if constexpr (to.codes == Codes::kSigned) {
    for (int h = 0; h < 2; ++h) Simd::StoreInts(out + to.code_bytes() + 64 * h, negatives[h]);
  }
}

// Writes one superblock of 32 rows in the expanded form.
template <class Simd, PackedFormat kFormat>
QUANTD_INLINE void ExpandSuper(const uint8_t* w, int blocks, int span, uint8_t* out) {
  constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  constexpr Rows32Format to = kRows32[static_cast<int>(kExpandedTo<Simd, kFormat>)];
  constexpr int kSetFloats = kGroupRows;
  using Whole = Tile<Simd, kFormat, 2, 1>;
  typename Whole::SetBuffer buffer;
  const typename Whole::Super super(w, blocks, span, 0, &buffer);
  const int sets = to.sets(blocks, span);
  float* const scales = reinterpret_cast<float*>(out);
  for (int set = 0; set < sets; ++set) {
    for (int h = 0; h < 2; ++h) {
      const auto scale = super.Scale(set, h);
      float* const at = scales + set * kSetFloats + h * kHalfRows;
      Simd::Store(at, scale);
      if constexpr (f.has_min()) Simd::Store(at + sets * kSetFloats, super.Min(set, h, scale));
    }
  }
  uint8_t* codes = out + to.header_bytes(blocks, span);
  for (int b = 0; b < blocks; ++b, codes += to.block_bytes()) {
    ExpandBlock<Simd, kFormat>(super.codes + b * f.block_bytes(), codes);
  }
}

// Writes the first k of a row group in the expanded form.
template <class Simd, PackedFormat kFormat>
QUANTD_INLINE void ExpandGroup(const uint8_t* w, int64_t k, int span, uint8_t* out) {
  constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  constexpr Rows32Format to = kRows32[static_cast<int>(kExpandedTo<Simd, kFormat>)];
  if constexpr (f.is_float()) {
    float* floats = reinterpret_cast<float*>(out);
    for (int64_t half = 0; half < 2 * k; ++half, floats += kHalfRows) {
      Simd::Store(floats, Tile<Simd, kFormat, 1, 1>::LoadFloats(w + half * kHalfRows * f.bits / 8));
    }
  } else {
    for (int64_t at = 0; at < k; at += kSuperWeights) {
      const int64_t rest = (k - at + kBlockWeights - 1) / kBlockWeights;
      const int blocks = rest < kBlocksPerSuper ? static_cast<int>(rest) : kBlocksPerSuper;
      ExpandSuper<Simd, kFormat>(w, blocks, span, out);
      w += f.super_bytes(blocks, span);
      out += to.super_bytes(blocks, span);
    }
  }
}

// Many input rows: a few row groups by a stretch of K are expanded once, into memory that stays in
// L2, and all columns pass over them; y holds the sums between the stretches.
template <class Simd, PackedFormat kFormat>
void RunWide(const GemmArgs& args) {
  constexpr PackedFormat kTo = kExpandedTo<Simd, kFormat>;
  constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  constexpr Rows32Format to = kRows32[static_cast<int>(kTo)];
  constexpr int kGroups = to.bits == 8 ? 4 : 2;
  constexpr int64_t kStretch = (to.bits == 8 ? 4 : 2) * kSuperWeights;
  const int span = f.set_weights == 0 ? args.span : kBlockWeights;
  // The header is largest with the least span.
  alignas(64) uint8_t scratch[kGroups * Rows32GroupBytes(kTo, kStretch, kBlockWeights)];
  const int64_t group_bytes = Rows32GroupBytes(kFormat, args.k, span);
  const int64_t stretch_bytes = Rows32GroupBytes(kFormat, kStretch, span);
  constexpr int kMost = MostColumns<Simd, kTo>();
  const int64_t tiles = (args.m + kMost - 1) / kMost;
  for (int64_t begin = 0; begin < args.groups; begin += kGroups) {
    const int64_t end = begin + kGroups < args.groups ? begin + kGroups : args.groups;
    GemmArgs part = SlabOf(args, begin, end, group_bytes);
    const uint8_t* from = part.weights;
    part.weights = scratch;
    part.span = span;
    for (int64_t left = args.k; left > 0; left -= kStretch) {
      part.k = left < kStretch ? left : kStretch;
      const int64_t part_bytes = Rows32GroupBytes(kTo, part.k, span);
      for (int64_t group = 0; group < part.groups; ++group) {
        ExpandGroup<Simd, kFormat>(from + group * group_bytes, part.k, span,
                                   scratch + group * part_bytes);
      }
      from += stretch_bytes;
      RunPasses<Simd, kTo>(part, {part.groups, 0, from, group_bytes, stretch_bytes, 0, 1}, tiles, 0,
                           tiles);
      if constexpr (f.is_int()) {
        part.q += kStretch / kSuperWeights;
      } else {
        part.x += kStretch;
      }
      part.accumulate = true;
    }
  }
}

// The functions of a format out of [kFirst, kEnd), looked up at run time; null when it is
// another.
template <class Simd, PackedFormat kFirst, PackedFormat kEnd>
KernelRuns FindRuns(PackedFormat format) {
  if constexpr (kFirst < kEnd) {
    if (format == kFirst) {
      constexpr bool kScaled = !FormatOf(kFirst).is_int() && !FormatOf(kFirst).is_float();
      KernelRuns runs = {RunDecode<Simd, kFirst>, RunBatch<Simd, kFirst>, nullptr};
      if constexpr (kScaled) runs.decode = RunScaledDecode<Simd, kFirst>;
      // Pairs of BF16 are summed in an order of their own, which F32 does not keep.
      constexpr bool kPairs = Simd::kBf16 && FormatOf(kFirst).is_float();
      if constexpr (kExpandedTo<Simd, kFirst> != kFirst && !kPairs) {
        runs.wide = RunWide<Simd, kFirst>;
      }
      return runs;
    }
    constexpr auto kNext = static_cast<PackedFormat>(static_cast<int>(kFirst) + 1);
    return FindRuns<Simd, kNext, kEnd>(format);
  }
  return {nullptr, nullptr, nullptr};
}

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_ROWS32_KERNELS_H_
