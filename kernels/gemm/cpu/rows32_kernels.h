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
  // FetchLines is called for every superblock, for floats every 8 k.
  const int64_t fetches = f.is_float() ? args.k / 8 + 1 : QuantizedBlocks(args.k);
  Prefetch prefetch;
  prefetch.lines = static_cast<int>((pass.fetch_bytes / (pass.parts * fetches) + 63) / 64);
  for (int64_t group = 0; group < pass.groups; ++group) {
    const uint8_t* const w = args.weights + group * group_bytes;
    prefetch.next =
        pass.fetch + group * pass.fetch_stride + pass.fetch_bytes * pass.part / pass.parts;
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
  return kRows32[static_cast<int>(kFormat)].is_int() ? Simd::kIntColumns : Simd::kFloatColumns;
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

// How far ahead of the arithmetic the weights of a single row's product are fetched.
inline constexpr int64_t kDecodeAhead = 4096;

// m = 1: every weight is read once, so only the stream matters.
template <class Simd, PackedFormat kFormat>
void RunDecode(const GemmArgs& args) {
  const int64_t group_bytes = Rows32GroupBytes(kFormat, args.k, args.span);
  RunTiles<Simd, kFormat, 2, 1>(
      args, {args.groups, 0, args.weights + kDecodeAhead, group_bytes, group_bytes, 0, 1});
}

// m >= 2. Columns go in passes whose activations stay in L2; in a pass a slab of row groups, in L2
// too, is gone through by one column tile after the other, which together fetch the next slab.
template <class Simd, PackedFormat kFormat>
void RunBatch(const GemmArgs& args) {
  constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  constexpr int kMost = MostColumns<Simd, kFormat>();
  constexpr int64_t kSlabBytes = 48 * 1024, kPassBytes = 384 * 1024;
  const int64_t group_bytes = Rows32GroupBytes(kFormat, args.k, args.span);
  const int64_t column_bytes =
      f.is_int() ? args.q_stride * static_cast<int64_t>(sizeof(QuantizedBlock)) : args.k * 4;
  const int64_t tiles = (args.m + kMost - 1) / kMost;
  const int64_t fitting = kPassBytes / (column_bytes * kMost);
  const int64_t pass_tiles = fitting < 1 ? 1 : fitting > tiles ? tiles : fitting;
  const int64_t slab = group_bytes < kSlabBytes ? kSlabBytes / group_bytes : 1;
  for (int64_t first = 0; first < tiles; first += pass_tiles) {
    const int64_t last = first + pass_tiles < tiles ? first + pass_tiles : tiles;
    for (int64_t begin = 0; begin < args.groups; begin += slab) {
      const int64_t end = begin + slab < args.groups ? begin + slab : args.groups;
      const GemmArgs part = SlabOf(args, begin, end, group_bytes);
      const uint8_t* const next = part.weights + part.groups * group_bytes;
      RunPasses<Simd, kFormat>(part, {part.groups, 0, next, group_bytes, group_bytes, 0, 1}, tiles,
                               first, last);
    }
  }
}

// Writes one superblock of 32 rows in the expanded form.
template <class Simd, PackedFormat kFormat>
QUANTD_INLINE void ExpandSuper(const uint8_t* w, int blocks, uint8_t* out) {
  constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  constexpr Rows32Format to = kRows32[static_cast<int>(ExpandedOf(kFormat))];
  constexpr int kSetFloats = kGroupRows;
  const typename Tile<Simd, kFormat, 2, 1>::Super super(w, blocks, kBlockWeights, 0);
  const int sets = to.sets(blocks, kBlockWeights);
  float* const scales = reinterpret_cast<float*>(out);
  for (int set = 0; set < sets; ++set) {
    for (int h = 0; h < 2; ++h) {
      const auto scale = super.Scale(set, h);
      float* const at = scales + set * kSetFloats + h * kHalfRows;
      Simd::Store(at, scale);
      if constexpr (f.has_min()) Simd::Store(at + sets * kSetFloats, super.Min(set, h, scale));
    }
  }
  uint8_t* codes = out + to.header_bytes(blocks, kBlockWeights);
  for (int b = 0; b < blocks; ++b, codes += to.block_bytes()) {
    const uint8_t* const block = super.codes + b * f.block_bytes();
    Unroll<Simd, 0, 8>([&](auto j) __attribute__((always_inline)) {
      for (int h = 0; h < 2; ++h) {
        const auto bytes = Simd::template CodeBytes<kFormat, decltype(j)::value>(block, h);
        Simd::StoreBytes(codes + 128 * j.value + 64 * h,
                         Simd::template AddBytes<to.zero - f.zero>(bytes));
      }
    });
  }
}

// Many input rows: a few row groups by a stretch of K are expanded once, into memory that stays in
// L2, and all columns pass over them; y holds the sums between the stretches.
template <class Simd, PackedFormat kFormat>
void RunWide(const GemmArgs& args) {
  constexpr PackedFormat kTo = ExpandedOf(kFormat);
  constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  constexpr Rows32Format to = kRows32[static_cast<int>(kTo)];
  constexpr int kGroups = 4, kSupers = 4;
  constexpr int64_t kFromBytes = f.super_bytes(kBlocksPerSuper, kBlockWeights);
  constexpr int64_t kToBytes = to.super_bytes(kBlocksPerSuper, kBlockWeights);
  alignas(64) uint8_t scratch[kGroups * kSupers * kToBytes];
  const int64_t group_bytes = Rows32GroupBytes(kFormat, args.k, args.span);
  const int64_t tiles = (args.m + Simd::kIntColumns - 1) / Simd::kIntColumns;
  for (int64_t begin = 0; begin < args.groups; begin += kGroups) {
    const int64_t end = begin + kGroups < args.groups ? begin + kGroups : args.groups;
    GemmArgs part = SlabOf(args, begin, end, group_bytes);
    const uint8_t* from = part.weights;
    part.weights = scratch;
    part.span = kBlockWeights;
    for (int64_t left = args.k; left > 0; left -= kSupers * kSuperWeights) {
      part.k = left < kSupers * kSuperWeights ? left : kSupers * kSuperWeights;
      const int64_t to_bytes = Rows32GroupBytes(kTo, part.k, kBlockWeights);
      for (int64_t group = 0; group < part.groups; ++group) {
        for (int64_t k = 0, super = 0; k < part.k; k += kSuperWeights, ++super) {
          const int64_t rest = (part.k - k + kBlockWeights - 1) / kBlockWeights;
          const int blocks = rest < kBlocksPerSuper ? static_cast<int>(rest) : kBlocksPerSuper;
          ExpandSuper<Simd, kFormat>(from + group * group_bytes + super * kFromBytes, blocks,
                                     scratch + group * to_bytes + super * kToBytes);
        }
      }
      from += kSupers * kFromBytes;
      RunPasses<Simd, kTo>(part, {part.groups, 0, from, group_bytes, kSupers * kFromBytes, 0, 1},
                           tiles, 0, tiles);
      part.q += kSupers;
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
      KernelRuns runs = {RunDecode<Simd, kFirst>, RunBatch<Simd, kFirst>, nullptr};
      if constexpr (ExpandedOf(kFirst) != kFirst) runs.wide = RunWide<Simd, kFirst>;
      return runs;
    }
    constexpr auto kNext = static_cast<PackedFormat>(static_cast<int>(kFirst) + 1);
    return FindRuns<Simd, kNext, kEnd>(format);
  }
  return {nullptr, nullptr, nullptr};
}

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_ROWS32_KERNELS_H_
