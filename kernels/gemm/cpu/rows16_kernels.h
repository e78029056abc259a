#ifndef QUANTD_KERNELS_GEMM_CPU_ROWS16_KERNELS_H_
#define QUANTD_KERNELS_GEMM_CPU_ROWS16_KERNELS_H_

#include "kernels/gemm/cpu/kernels.h"

// The kernels on WeightLayout::kRows16, written once for every vector instruction set. A file of
// this folder defines `struct Simd`, the few operations that differ, and instantiates Runs<Simd>.
// Simd lies in an unnamed namespace and everything here is a template on it, so that all symbols
// stay local to their file.
//
// Simd provides, with `Floats` and `Ints` holding one lane for each of the 16 rows:
//   Zero(), Set1(float), LoadF32/LoadF16/LoadBF16(p) -> Floats, Fma(a, b, c), Mul(a, b),
//   ToFloats(Ints), Store(p, Floats), StoreFirst(p, Floats, count)
//   SumTimes<lo, hi>(sums) -> Ints: lo * sums[0] + hi * sums[1] in every lane
//   Codes<format, j>(block): vector j of a block, as unsigned bytes
//   Dot<format>: Weights Prepare(codes); Acc Start<lo, hi>(sums); Step<s>(acc, weights, a4), the
//     s-th of at most 8 steps, adds 4 products per lane; Ints Finish(acc)
//   kIntColumns, kFloatColumns: widest column tiles whose accumulators fit the registers

namespace quantd {

#define QUANTD_INLINE inline __attribute__((always_inline))

template <int kValue>
struct Index {
  static constexpr int value = kValue;
};

// f(Index<0>{}), ..., f(Index<n - 1>{}), unrolled.
template <class Simd, int kBegin, int kEnd, class F>
QUANTD_INLINE void Unroll(const F& f) {
  if constexpr (kBegin < kEnd) {
    f(Index<kBegin>{});
    Unroll<Simd, kBegin + 1, kEnd>(f);
  }
}

// How far ahead of the arithmetic the weights are fetched. The processor's own prefetcher follows
// the stream, but a wide tile computes so long on a block that out-of-order execution alone never
// gets there. Reads past the end of the matrix are hints without effect.
inline constexpr int kPrefetchBytes = 4096;

// One tile: kGroups row groups times kColumns input rows.
template <class Simd, PackedFormat kFormat, int kGroups, int kColumns>
struct Tile {
  static constexpr Rows16Format f = kRows16[static_cast<int>(kFormat)];
  using Floats = typename Simd::Floats;
  using Dot = typename Simd::template Dot<kFormat>;

  static QUANTD_INLINE void Store(const GemmArgs& args, const Floats* acc, int64_t group,
                                  int64_t column) {
    for (int g = 0; g < kGroups; ++g) {
      const int64_t row = (group + g) * kGroupRows;
      const int64_t rows = args.rows - row;
      for (int c = 0; c < kColumns; ++c) {
        float* const y = args.y + (column + c) * args.y_stride + row;
        if (rows >= kGroupRows) {
          Simd::Store(y, acc[g * kColumns + c]);
        } else {
          Simd::StoreFirst(y, acc[g * kColumns + c], static_cast<int>(rows));
        }
      }
    }
  }

  static QUANTD_INLINE Floats Scales(const uint8_t* block, int scale_group) {
    const uint8_t* const at = block + f.scale_offset + scale_group * kGroupRows * f.scale_bytes;
    if constexpr (f.scale_bytes == 2) {
      return Simd::LoadF16(at);
    } else {
      return Simd::LoadF32(at);
    }
  }

  // Adds scale group kScale of one block, all columns. a: this block of the first column.
  template <int kScale>
  static QUANTD_INLINE void AddScaleGroup(const uint8_t* block, const QuantizedBlock* a,
                                          int64_t stride, Floats* acc) {
    constexpr int kSteps = 8 / f.scale_groups;
    // What Start multiplies the two half sums with: the zero point of the half(s) covered here.
    constexpr int kLow = f.scale_groups == 1 || kScale == 0 ? -f.zero : 0;
    constexpr int kHigh = f.scale_groups == 1 || kScale == 1 ? -f.zero : 0;
    typename Dot::Acc sum[kColumns];
    Unroll<Simd, 0, kColumns>([&](auto c) __attribute__((always_inline)) {
      sum[c.value] = Dot::template Start<kLow, kHigh>(a[c.value * stride].sums);
    });
    Unroll<Simd, 0, kSteps>([&](auto s) __attribute__((always_inline)) {
      // Vectors that share a byte (j and j + 4 of nibble formats) come one after the other.
      constexpr int kStep = decltype(s)::value;
      constexpr int j = f.scale_groups == 2 ? 4 * kScale + kStep : kStep / 2 + kStep % 2 * 4;
      const auto weights = Dot::Prepare(Simd::template Codes<kFormat, j>(block));
      Unroll<Simd, 0, kColumns>([&](auto c) __attribute__((always_inline)) {
        Dot::template Step<kStep>(sum[c.value], weights, a[c.value * stride].codes + 4 * j);
      });
    });
    const Floats scales = Scales(block, kScale);
    Unroll<Simd, 0, kColumns>([&](auto c) __attribute__((always_inline)) {
      const Floats scale = Simd::Mul(scales, Simd::Set1(a[c.value * stride].scale));
      acc[c.value] = Simd::Fma(Simd::ToFloats(Dot::Finish(sum[c.value])), scale, acc[c.value]);
    });
  }

  static QUANTD_INLINE void AddMins(const uint8_t* block, const QuantizedBlock* a, int64_t stride,
                                    Floats* acc) {
    const Floats mins = Simd::LoadF16(block + f.min_offset);
    Unroll<Simd, 0, kColumns>([&](auto c) __attribute__((always_inline)) {
      const QuantizedBlock& block_a = a[c.value * stride];
      const Floats sum = Simd::Mul(Simd::ToFloats(Simd::template SumTimes<1, 1>(block_a.sums)),
                                   Simd::Set1(block_a.scale));
      acc[c.value] = Simd::Fma(mins, sum, acc[c.value]);
    });
  }

  static QUANTD_INLINE void RunInt(const GemmArgs& args, int64_t group, int64_t column) {
    const int64_t blocks = (args.k + kBlockWeights - 1) / kBlockWeights;
    const int64_t group_bytes = blocks * f.bytes;
    const uint8_t* w = args.weights + group * group_bytes;
    const QuantizedBlock* a = args.q + column * args.q_stride;
    Floats acc[kGroups * kColumns];
    for (int i = 0; i < kGroups * kColumns; ++i) acc[i] = Simd::Zero();
    for (int64_t b = 0; b < blocks; ++b, w += f.bytes, ++a) {
      Unroll<Simd, 0, (f.bytes + 63) / 64>([&](auto line) __attribute__((always_inline)) {
        __builtin_prefetch(w + kPrefetchBytes + 64 * line.value);
      });
      Unroll<Simd, 0, kGroups>([&](auto g) __attribute__((always_inline)) {
        const uint8_t* const block = w + g.value * group_bytes;
        Floats* const group_acc = acc + g.value * kColumns;
        Unroll<Simd, 0, f.scale_groups>([&](auto s) __attribute__((always_inline)) {
          AddScaleGroup<decltype(s)::value>(block, a, args.q_stride, group_acc);
        });
        if constexpr (f.min_offset > 0) AddMins(block, a, args.q_stride, group_acc);
      });
    }
    Store(args, acc, group, column);
  }

  static QUANTD_INLINE Floats LoadFloats(const uint8_t* at) {
    if constexpr (kFormat == PackedFormat::kF32) {
      return Simd::LoadF32(at);
    } else if constexpr (kFormat == PackedFormat::kF16) {
      return Simd::LoadF16(at);
    } else {
      return Simd::LoadBF16(at);
    }
  }

  static QUANTD_INLINE void RunFloat(const GemmArgs& args, int64_t group, int64_t column) {
    const int64_t group_bytes = args.k * f.bytes;
    const uint8_t* w = args.weights + group * group_bytes;
    const float* const x = args.x + column * args.x_stride;
    Floats acc[kGroups * kColumns];
    for (int i = 0; i < kGroups * kColumns; ++i) acc[i] = Simd::Zero();
#pragma GCC unroll 4
    for (int64_t k = 0; k < args.k; ++k, w += f.bytes) {
      Floats weights[kGroups];
      Unroll<Simd, 0, kGroups>([&](auto g) __attribute__((always_inline)) {
        const uint8_t* const at = w + g.value * group_bytes;
        __builtin_prefetch(at + kPrefetchBytes);
        weights[g.value] = LoadFloats(at);
      });
      Unroll<Simd, 0, kColumns>([&](auto c) __attribute__((always_inline)) {
        const Floats value = Simd::Set1(x[c.value * args.x_stride + k]);
        Unroll<Simd, 0, kGroups>([&](auto g) __attribute__((always_inline)) {
          Floats& sum = acc[g.value * kColumns + c.value];
          sum = Simd::Fma(weights[g.value], value, sum);
        });
      });
    }
    Store(args, acc, group, column);
  }

  static QUANTD_INLINE void Run(const GemmArgs& args, int64_t group, int64_t column) {
    if constexpr (f.bits > 0) {
      RunInt(args, group, column);
    } else {
      RunFloat(args, group, column);
    }
  }
};

// Row groups [begin, end) for kColumns columns, kGroups row groups at a time.
template <class Simd, PackedFormat kFormat, int kGroups, int kColumns>
void RunTiles(const GemmArgs& args, int64_t begin, int64_t end, int64_t column) {
  for (; begin + kGroups <= end; begin += kGroups) {
    Tile<Simd, kFormat, kGroups, kColumns>::Run(args, begin, column);
  }
  if constexpr (kGroups > 1) {
    for (; begin < end; ++begin) Tile<Simd, kFormat, 1, kColumns>::Run(args, begin, column);
  }
}

// The body compiled for exactly `columns` columns, 2 .. kMost: even tiles of m >= 2 are never
// narrower.
template <class Simd, PackedFormat kFormat, int kMost>
QUANTD_INLINE void RunColumns(const GemmArgs& args, int64_t begin, int64_t end, int64_t column,
                              int64_t columns) {
  // Float tiles need 4 sums in flight to hide the latency of fma; narrow ones take more groups.
  constexpr int kGroups = kRows16[static_cast<int>(kFormat)].bits == 0 ? (kMost == 1  ? 4
                                                                          : kMost < 4 ? 2
                                                                                      : 1)
                                                                       : 1;
  if (columns == kMost) {
    RunTiles<Simd, kFormat, kGroups, kMost>(args, begin, end, column);
  } else if constexpr (kMost > 2) {
    RunColumns<Simd, kFormat, kMost - 1>(args, begin, end, column, columns);
  }
}

// m = 1: every weight is read once, so only the stream matters.
template <class Simd, PackedFormat kFormat>
void RunDecode(const GemmArgs& args) {
  constexpr int kGroups = kRows16[static_cast<int>(kFormat)].bits == 0 ? 4 : 1;
  RunTiles<Simd, kFormat, kGroups, 1>(args, 0, args.groups, 0);
}

// m >= 2: a slab of row groups stays in L2 while all column tiles pass over it. Tiles are as even
// as possible: a narrow last one would unpack weights for little.
template <class Simd, PackedFormat kFormat>
void RunBatch(const GemmArgs& args) {
  constexpr Rows16Format f = kRows16[static_cast<int>(kFormat)];
  constexpr int kMost = f.bits == 0 ? Simd::kFloatColumns : Simd::kIntColumns;
  const int64_t blocks = f.bits == 0 ? args.k : (args.k + kBlockWeights - 1) / kBlockWeights;
  const int64_t fitting = kSlabBytes / (blocks * f.bytes);
  const int64_t slab = fitting > 1 ? fitting : 1;
  const int64_t tiles = (args.m + kMost - 1) / kMost;
  for (int64_t begin = 0; begin < args.groups; begin += slab) {
    const int64_t end = begin + slab < args.groups ? begin + slab : args.groups;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t column = args.m * tile / tiles;
      const int64_t next = args.m * (tile + 1) / tiles;
      RunColumns<Simd, kFormat, kMost>(args, begin, end, column, next - column);
    }
  }
}

template <class Simd, PackedFormat kFormat>
constexpr RunPair Runs() {
  return {RunDecode<Simd, kFormat>, RunBatch<Simd, kFormat>};
}

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_ROWS16_KERNELS_H_
