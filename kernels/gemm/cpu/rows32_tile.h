#ifndef QUANTD_KERNELS_GEMM_CPU_ROWS32_TILE_H_
#define QUANTD_KERNELS_GEMM_CPU_ROWS32_TILE_H_

#include "kernels/gemm/cpu/kernels.h"

// A tile of a product on WeightLayout::kRows32, written once for every vector instruction set. A
// file of this folder defines `struct Simd`, the few operations that differ, and instantiates
// FindRuns<Simd> (rows32_kernels.h).
// Simd lies in an unnamed namespace and everything here is a template on it, so that all symbols
// stay local to their file.
//
// Simd provides, with `Floats` and `Ints` holding one lane for each of 16 rows:
//   Zero(), Set1(float), LoadF32/LoadF16/LoadBF16(p), LoadI8/LoadU8/LoadE8M0(p),
//   LoadU4<shift>(p) -> Floats,
//   Fma(a, b, c), Mul(a, b), Negate(a), ToFloats(Ints), Store(p, Floats), StoreFirst(p, Floats, n),
//   LoadFirst(p, n)
//   ZeroInts(), Set1(int32_t) -> Ints, ShiftLeft(Ints, Ints), Add(Ints, Ints)
//   CodeBytes<format, j>(block, h): vector (j, h) of a block as unsigned bytes, tables looked up
//   SixBits<low_shift, high_shift>(low, high): the 4 bits of each byte at `low` from low_shift up,
//     with the 2 bits at `high` from high_shift up above them
//   AddBytes<n>(bytes) adds n to each byte; StoreBytes(p, bytes)
//   CodeFloats<format, shift>(p): bits [shift, shift + bits) of each of 16 dwords as values of a
//     float table or E4M3
//   Dot<format>: Weights Prepare(bytes); Acc Start<zero>(minus the sum of activations);
//     Step<s>(acc, weights, a4), the s-th of at most 8 steps, adds 4 products per lane;
//     Ints Finish(acc)
//   kOneSign: whether Dot multiplies bytes of one sign only, and gains by Codes::kSigned. If so
//     LoadInts(p), StoreInts(p, ints);
//     AddNegatives(ints, bytes) adds minus each row's negative ones among bytes of zero point 128
//   kScaledGroups: row groups of such a format that one row is multiplied with at once
//   kBf16: whether floats are multiplied in BF16. If so, with `Pairs` for the values of 2 k:
//     LoadPairs<format>(k, next) -> Pairs[2] of both halves of 32 values of a k and of the next,
//     DotPairs(acc, pairs, pair) adds 2 products per lane, the second k's first
//   kIntColumns, kFineColumns (with a scale per 16), kFloatColumns: widest column tiles whose
//     accumulators fit the registers
//   kBatchHalves: 16-row halves of a row group that a tile of several columns takes at once, 1 or 2

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

// What tiles of so many columns fetch while they compute: a stretch of memory, line by line in
// equal steps. Reads past the end of the matrix are hints without effect. At m = 1 the stretch is
// the weights themselves, and this is how the processor's prefetcher gets to see them: it follows a
// stride of one instruction, and the loop below is the only one that touches line after line
// (kernels/README.md). Wider tiles fetch the next slab, into the cache that it will be read from
// time and again.
template <int kColumns>
class Prefetch {
 public:
  Prefetch() = default;
  // `bytes` from `from` on, fetched in so many steps.
  QUANTD_INLINE Prefetch(const uint8_t* from, int64_t bytes, int64_t steps)
      : next_(from), step_(static_cast<uint32_t>((bytes / 64 << kFractionBits) / steps)) {}

  QUANTD_INLINE void Step() {
    due_ += step_;
#pragma GCC unroll 1
    for (; due_ >= kLine; due_ -= kLine, next_ += 64) __builtin_prefetch(next_, 0, kLocality);
  }

 private:
  static constexpr int kLocality = kColumns == 1 ? 3 : 2;  // every cache, or all but the first
  static constexpr int kFractionBits = 16;
  static constexpr uint32_t kLine = 1 << kFractionBits;
  const uint8_t* next_ = nullptr;
  uint32_t step_ = 0;         // lines per step, in fractions
  uint32_t due_ = kLine - 1;  // begun lines count: rounding down must not leave out the last
};

// One tile: kHalves halves of a row group, from half `first_half` on, times kColumns input rows.
template <class Simd, PackedFormat kFormat, int kHalves, int kColumns>
struct Tile {
  static constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  static constexpr int kCells = kHalves * kColumns;
  using Floats = typename Simd::Floats;
  using Ints = typename Simd::Ints;
  using Dot = typename Simd::template Dot<kFormat>;

  // body(h, c) for every cell; cell h * kColumns + c.
  template <class F>
  static QUANTD_INLINE void ForCells(const F& body) {
    Unroll<Simd, 0, kColumns>([&](auto c) __attribute__((always_inline)) {
      Unroll<Simd, 0, kHalves>([&](auto h) __attribute__((always_inline)) { body(h, c); });
    });
  }

  static QUANTD_INLINE void Store(const GemmArgs& args, const Floats* acc, int64_t row,
                                  int64_t column) {
    ForCells([&](auto h, auto c) __attribute__((always_inline)) {
      const int64_t first = row + h.value * kHalfRows, rows = args.rows - first;
      float* const y = args.y + (column + c.value) * args.y_stride + first;
      const Floats& cell = acc[h.value * kColumns + c.value];
      if (rows >= kHalfRows) {
        Simd::Store(y, cell);
      } else if (rows > 0) {
        Simd::StoreFirst(y, cell, static_cast<int>(rows));
      }
    });
  }

  // What y holds of an earlier part of K, or zeros.
  static QUANTD_INLINE void Start(const GemmArgs& args, int64_t row, int64_t column, Floats* acc) {
    ForCells([&](auto h, auto c) __attribute__((always_inline)) {
      Floats& cell = acc[h.value * kColumns + c.value];
      cell = Simd::Zero();
      if (!args.accumulate) return;
      const int64_t first = row + h.value * kHalfRows, rows = args.rows - first;
      const float* const y = args.y + (column + c.value) * args.y_stride + first;
      if (rows > 0)
        cell = Simd::LoadFirst(y, rows < kHalfRows ? static_cast<int>(rows) : kHalfRows);
    });
  }

  // The 16 scales, or mins, at `at` of a set whose upper level is `upper`.
  template <SetType kType>
  static QUANTD_INLINE Floats LoadSet(const uint8_t* at, const Floats& upper) {
    if constexpr (kType == SetType::kF32) return Simd::LoadF32(at);
    if constexpr (kType == SetType::kF16) return Simd::LoadF16(at);
    if constexpr (kType == SetType::kE8M0) return Simd::LoadE8M0(at);
    if constexpr (kType == SetType::kI8) return Simd::Mul(upper, Simd::LoadI8(at));
    if constexpr (kType == SetType::kI6) return Simd::Mul(upper, Simd::LoadI8(at));
    if constexpr (kType == SetType::kU6) return Simd::Mul(upper, Simd::LoadU8(at));
    if constexpr (kType == SetType::kLow4) return Simd::Mul(upper, Simd::template LoadU4<0>(at));
    if constexpr (kType == SetType::kHigh4) return Simd::Mul(upper, Simd::template LoadU4<4>(at));
    if constexpr (kType == SetType::kZero) return Simd::Mul(upper, Simd::Negate(Simd::LoadU8(at)));
  }

  // Room for the sets of a superblock as bytes, where they are 6 bits.
  struct alignas(64) SetBuffer {
    uint8_t bytes[f.six_bit() ? f.six_bit_sets() * kGroupRows : 64];
  };

  static QUANTD_INLINE void ExpandSixBits(const uint8_t* sets, SetBuffer* out) {
    constexpr int kSets = f.six_bit_sets();
    Unroll<Simd, 0, kSets / 2>([&](auto pair) __attribute__((always_inline)) {
      constexpr int kFirst = 2 * decltype(pair)::value;
      constexpr SixBitPlace place(kSets, kFirst);  // its neighbour follows in both planes
      auto bytes = Simd::template SixBits<place.low_shift, place.high_shift>(sets + place.low,
                                                                             sets + place.high);
      if constexpr (f.six_bit_offset() != 0) {
        bytes = Simd::template AddBytes<-f.six_bit_offset()>(bytes);
      }
      Simd::StoreBytes(out->bytes + kFirst * kGroupRows, bytes);
    });
  }

  // Where the parts of a superblock lie, for the first half of the tile.
  struct Super {
    const uint8_t *scales, *mins, *codes, *next;
    Floats scale_upper[kHalves], min_upper[kHalves];

    QUANTD_INLINE Super(const uint8_t* w, int blocks, int span, int first_half, SetBuffer* buffer) {
      const uint8_t* sets = w + f.super_scale_bytes();
      if constexpr (f.six_bit()) {
        ExpandSixBits(sets, buffer);
        sets = buffer->bytes;
      }
      const int first_min = f.min_offset(blocks, span) - f.super_scale_bytes();
      scales = sets + first_half * kHalfRows * SetBytes(f.scale);
      mins = sets + first_min + first_half * kHalfRows * f.min_stride();
      codes = w + f.header_bytes(blocks, span);
      next = codes + blocks * f.block_bytes();
      if constexpr (f.two_level()) {
        for (int h = 0; h < kHalves; ++h) {
          const uint8_t* const upper = w + 2 * kHalfRows * (first_half + h);
          scale_upper[h] = Simd::LoadF16(upper);
          if constexpr (f.has_min()) min_upper[h] = Simd::LoadF16(upper + 2 * kGroupRows);
        }
      }
    }
    QUANTD_INLINE Floats Scale(int set, int h) const {
      return LoadSet<f.scale>(scales + (set * kGroupRows + h * kHalfRows) * SetBytes(f.scale),
                              scale_upper[h]);
    }
    QUANTD_INLINE Floats Min(int set, int h, const Floats& scale) const {
      const uint8_t* const at = mins + (set * kGroupRows + h * kHalfRows) * f.min_stride();
      return LoadSet<f.min>(at, f.min == SetType::kZero ? scale : min_upper[h]);
    }
  };

  // sums of steps [kFirst, kLast) of a block: 4 (kLast - kFirst) products per cell.
  template <int kFirst, int kLast>
  static QUANTD_INLINE void AddSteps(const uint8_t* block, int first_half, const int8_t* const* a,
                                     typename Dot::Acc* sum) {
    Unroll<Simd, kFirst, kLast>([&](auto s) __attribute__((always_inline)) {
      // Vectors that share a byte come one after the other.
      constexpr int kStep = decltype(s)::value;
      constexpr int kShare = 8 / f.low_bits();  // vectors in a byte
      constexpr int j =
          kLast - kFirst == 8 ? kStep / kShare + kStep % kShare * f.low_bits() : kStep;
      typename Dot::Weights weights[kHalves];
      Unroll<Simd, 0, kHalves>([&](auto h) __attribute__((always_inline)) {
        weights[h.value] =
            Dot::Prepare(Simd::template CodeBytes<kFormat, j>(block, first_half + h.value));
      });
      ForCells([&](auto h, auto c) __attribute__((always_inline)) {
        Dot::template Step<kStep - kFirst>(sum[h.value * kColumns + c.value], weights[h.value],
                                           a[c.value] + 4 * j);
      });
    });
  }

  // partial += scale * sum, and min * (sum of activations), of the set `set`.
  static QUANTD_INLINE void AddSet(const Super& super, int set, const Ints* sums,
                                   const float* const* activation_sums, Floats* partial) {
    Unroll<Simd, 0, kHalves>([&](auto h) __attribute__((always_inline)) {
      const Floats scale = super.Scale(set, h.value);
      Unroll<Simd, 0, kColumns>([&](auto c) __attribute__((always_inline)) {
        constexpr int cell = decltype(h)::value * kColumns + decltype(c)::value;
        partial[cell] = Simd::Fma(Simd::ToFloats(sums[cell]), scale, partial[cell]);
      });
      if constexpr (f.has_min()) {
        const Floats min = super.Min(set, h.value, scale);
        Unroll<Simd, 0, kColumns>([&](auto c) __attribute__((always_inline)) {
          constexpr int cell = decltype(h)::value * kColumns + decltype(c)::value;
          partial[cell] = Simd::Fma(min, Simd::Set1(*activation_sums[c.value]), partial[cell]);
        });
      }
    });
  }

  // The shifted sum of one block, or of half of it, for every cell.
  template <int kFirst, int kLast>
  static QUANTD_INLINE void SumBlock(const uint8_t* block, int first_half,
                                     const QuantizedBlock* const* a, int b, Ints* sums) {
    typename Dot::Acc sum[kCells];
    const int8_t* codes[kColumns];
    Unroll<Simd, 0, kColumns>([&](auto c) __attribute__((always_inline)) {
      const QuantizedBlock& q = *a[c.value];
      codes[c.value] = q.codes + kBlockWeights * b;
      const int32_t start = kLast - kFirst == 8 ? q.starts[b] : q.half_starts[2 * b + kFirst / 4];
      Unroll<Simd, 0, kHalves>([&](auto h) __attribute__((always_inline)) {
        typename Dot::Acc& first = sum[h.value * kColumns + c.value];
        if constexpr (f.codes == Codes::kSigned) {
          first = Simd::LoadInts(block + f.code_bytes() + 64 * (first_half + h.value));
        } else {
          first = Dot::template Start<f.zero>(start);
        }
      });
    });
    AddSteps<kFirst, kLast>(block, first_half, codes, sum);
    Unroll<Simd, 0, kColumns>([&](auto c) __attribute__((always_inline)) {
      const Ints shift = Simd::Set1(a[c.value]->shifts[b]);
      Unroll<Simd, 0, kHalves>([&](auto h) __attribute__((always_inline)) {
        constexpr int cell = decltype(h)::value * kColumns + decltype(c)::value;
        sums[cell] = Simd::ShiftLeft(Dot::Finish(sum[cell]), shift);
      });
    });
  }

  // A block whose scales cover it alone (or each half of it).
  static QUANTD_INLINE void AddBlock(const Super& super, int b, int first_half,
                                     const QuantizedBlock* const* a, Floats* partial) {
    const uint8_t* const block = super.codes + b * f.block_bytes();
    Ints sums[kCells];
    const float* activation_sums[kColumns];
    if constexpr (f.fine()) {
      Unroll<Simd, 0, 2>([&](auto half) __attribute__((always_inline)) {
        constexpr int kHalf = decltype(half)::value;
        SumBlock<4 * kHalf, 4 * kHalf + 4>(block, first_half, a, b, sums);
        for (int c = 0; c < kColumns; ++c) activation_sums[c] = a[c]->half_sums + 2 * b + kHalf;
        AddSet(super, 2 * b + kHalf, sums, activation_sums, partial);
      });
    } else {
      SumBlock<0, 8>(block, first_half, a, b, sums);
      for (int c = 0; c < kColumns; ++c) activation_sums[c] = a[c]->sums + b;
      AddSet(super, b, sums, activation_sums, partial);
    }
  }

  // The blocks of one scale set: summed as integers, scaled once.
  static QUANTD_INLINE void AddSpan(const Super& super, int begin, int end, int set, int first_half,
                                    const QuantizedBlock* const* a, Floats* partial,
                                    Prefetch<kColumns>& prefetch) {
    Ints totals[kCells];
    float sums_of[kColumns];
    const float* activation_sums[kColumns];
    for (int i = 0; i < kCells; ++i) totals[i] = Simd::ZeroInts();
    for (int c = 0; c < kColumns; ++c) {
      sums_of[c] = 0;
      activation_sums[c] = sums_of + c;
    }
    for (int b = begin; b < end; ++b) {
      prefetch.Step();
      Ints sums[kCells];
      SumBlock<0, 8>(super.codes + b * f.block_bytes(), first_half, a, b, sums);
      Unroll<Simd, 0, kCells>([&](auto i) __attribute__((always_inline)) {
        totals[i.value] = Simd::Add(totals[i.value], sums[i.value]);
      });
      if constexpr (f.has_min()) {
        for (int c = 0; c < kColumns; ++c) sums_of[c] += a[c]->sums[b];  // exact
      }
    }
    AddSet(super, set, totals, activation_sums, partial);
  }

  static QUANTD_INLINE void RunInt(const GemmArgs& args, const uint8_t* w, int64_t row,
                                   int first_half, int64_t column, Prefetch<kColumns>& prefetch) {
    const QuantizedBlock* a[kColumns];
    for (int c = 0; c < kColumns; ++c) a[c] = args.q + (column + c) * args.q_stride;
    Floats acc[kCells];
    Start(args, row, column, acc);
    SetBuffer sets;
    for (int64_t left = args.k; left > 0; left -= kSuperWeights) {
      const int blocks = left >= kSuperWeights
                             ? kBlocksPerSuper
                             : static_cast<int>((left + kBlockWeights - 1) / kBlockWeights);
      const Super super(w, blocks, args.span, first_half, &sets);
      Floats partial[kCells];
      for (int i = 0; i < kCells; ++i) partial[i] = Simd::Zero();
      if constexpr (f.set_weights == 0) {
        const int per_set = args.span / kBlockWeights;
        for (int b = 0, set = 0; b < blocks; b += per_set, ++set) {
          const int end = b + per_set < blocks ? b + per_set : blocks;
          AddSpan(super, b, end, set, first_half, a, partial, prefetch);
        }
      } else {
        for (int b = 0; b < blocks; ++b) {
          prefetch.Step();
          AddBlock(super, b, first_half, a, partial);
        }
      }
      Unroll<Simd, 0, kColumns>([&](auto c) __attribute__((always_inline)) {
        const Floats scale = Simd::Set1(a[c.value]->scale);
        Unroll<Simd, 0, kHalves>([&](auto h) __attribute__((always_inline)) {
          constexpr int cell = decltype(h)::value * kColumns + decltype(c)::value;
          acc[cell] = Simd::Fma(partial[cell], scale, acc[cell]);
        });
        ++a[c.value];
      });
      w = super.next;
    }
    Store(args, acc, row, column);
  }

  // partial += value(code) * x for k = 4 j .. 4 j + 3 of a block, as far as below `count`.
  template <int kJ>
  static QUANTD_INLINE void AddWords(const uint8_t* block, int first_half, int count,
                                     const float* const* x, Floats* partial) {
    constexpr int kOffset = 128 * (kJ % f.bits), kShift = kJ / f.bits * f.bits;
    Unroll<Simd, 0, 4>([&](auto i) __attribute__((always_inline)) {
      constexpr int k = 4 * kJ + decltype(i)::value;
      if (k >= count) return;
      Floats weights[kHalves];
      for (int h = 0; h < kHalves; ++h) {
        if constexpr (f.codes == Codes::kValues) {
          weights[h] = Simd::LoadF32(block + 128 * k + 64 * (first_half + h));
        } else {
          weights[h] = Simd::template CodeFloats<kFormat, 8 * decltype(i)::value + kShift>(
              block + kOffset + 64 * (first_half + h));
        }
      }
      ForCells([&](auto h, auto c) __attribute__((always_inline)) {
        Floats& cell = partial[h.value * kColumns + c.value];
        cell = Simd::Fma(weights[h.value], Simd::Set1(x[c.value][k]), cell);
      });
    });
  }

  // partial += value(code) * x for the `count` first k of a block.
  static QUANTD_INLINE void AddValues(const uint8_t* block, int first_half, int count,
                                      const float* const* x, Floats* partial) {
    Unroll<Simd, 0, 8>([&](auto j) __attribute__((always_inline)) {
      AddWords<decltype(j)::value>(block, first_half, count, x, partial);
    });
  }

  static QUANTD_INLINE void RunScaled(const GemmArgs& args, const uint8_t* w, int64_t row,
                                      int first_half, int64_t column,
                                      Prefetch<kColumns>& prefetch) {
    const float* x[kColumns];
    for (int c = 0; c < kColumns; ++c) x[c] = args.x + (column + c) * args.x_stride;
    Floats acc[kCells];
    Start(args, row, column, acc);
    const int per_set = args.span / kBlockWeights;
    for (int64_t left = args.k; left > 0; left -= kSuperWeights) {
      const int blocks = left >= kSuperWeights
                             ? kBlocksPerSuper
                             : static_cast<int>((left + kBlockWeights - 1) / kBlockWeights);
      const Super super(w, blocks, args.span, first_half, nullptr);
      for (int b = 0, set = 0; b < blocks; ++set) {
        Floats partial[kCells];
        for (int i = 0; i < kCells; ++i) partial[i] = Simd::Zero();
        const int end = b + per_set < blocks ? b + per_set : blocks;
        for (; b < end; ++b) {
          prefetch.Step();
          const int64_t rest = left - b * kBlockWeights;
          const int count = rest < kBlockWeights ? static_cast<int>(rest) : kBlockWeights;
          AddValues(super.codes + b * f.block_bytes(), first_half, count, x, partial);
          for (int c = 0; c < kColumns; ++c) x[c] += count;
        }
        Unroll<Simd, 0, kHalves>([&](auto h) __attribute__((always_inline)) {
          const Floats scale = super.Scale(set, h.value);
          Unroll<Simd, 0, kColumns>([&](auto c) __attribute__((always_inline)) {
            constexpr int cell = decltype(h)::value * kColumns + decltype(c)::value;
            acc[cell] = Simd::Fma(partial[cell], scale, acc[cell]);
          });
        });
      }
      w = super.next;
    }
    Store(args, acc, row, column);
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

  static QUANTD_INLINE void RunFloat(const GemmArgs& args, const uint8_t* w, int64_t row,
                                     int first_half, int64_t column, Prefetch<kColumns>& prefetch) {
    constexpr int kBytes = f.bits / 8;
    w += first_half * kHalfRows * kBytes;
    const float* x[kColumns];
    for (int c = 0; c < kColumns; ++c) x[c] = args.x + (column + c) * args.x_stride;
    Floats acc[kCells];
    Start(args, row, column, acc);
    const auto step = [&](int64_t k) __attribute__((always_inline)) {
      Floats weights[kHalves];
      for (int h = 0; h < kHalves; ++h) weights[h] = LoadFloats(w + h * kHalfRows * kBytes);
      ForCells([&](auto h, auto c) __attribute__((always_inline)) {
        Floats& cell = acc[h.value * kColumns + c.value];
        cell = Simd::Fma(weights[h.value], Simd::Set1(x[c.value][k]), cell);
      });
      w += kGroupRows * kBytes;
    };
    int64_t k = 0;
    for (; k + 8 <= args.k; k += 8) {
      prefetch.Step();
      for (int i = 0; i < 8; ++i) step(k + i);
    }
    for (; k < args.k; ++k) step(k);
    Store(args, acc, row, column);
  }

  static QUANTD_INLINE void RunPairs(const GemmArgs& args, const uint8_t* w, int64_t row,
                                     int first_half, int64_t column, Prefetch<kColumns>& prefetch) {
    constexpr int kBytes = 2 * kGroupRows;  // of the values of a k
    alignas(64) static constexpr uint8_t kZeros[kBytes] = {};
    const uint16_t* x[kColumns];
    for (int c = 0; c < kColumns; ++c) x[c] = args.bf16 + (column + c) * args.bf16_stride;
    Floats acc[kCells];
    for (int i = 0; i < kCells; ++i) acc[i] = Simd::Zero();
    const auto step = [&](int64_t k, const uint8_t* next) __attribute__((always_inline)) {
      typename Simd::Pairs weights[2];
      Simd::template LoadPairs<kFormat>(w, next, weights);
      ForCells([&](auto h, auto c) __attribute__((always_inline)) {
        Floats& cell = acc[h.value * kColumns + c.value];
        cell = Simd::DotPairs(cell, weights[first_half + h.value], x[c.value] + k);
      });
      w += 2 * kBytes;
    };
    int64_t k = 0;
    for (; k + 8 <= args.k; k += 8) {
      prefetch.Step();
      for (int i = 0; i < 8; i += 2) step(k + i, w + kBytes);
    }
    for (; k + 2 <= args.k; k += 2) step(k, w + kBytes);
    if (k < args.k) step(k, kZeros);
    Store(args, acc, row, column);
  }

  static QUANTD_INLINE void Run(const GemmArgs& args, const uint8_t* w, int64_t row, int first_half,
                                int64_t column, Prefetch<kColumns>& prefetch) {
    if constexpr (Simd::kBf16 && f.is_float()) {
      RunPairs(args, w, row, first_half, column, prefetch);
    } else if constexpr (f.is_int()) {
      RunInt(args, w, row, first_half, column, prefetch);
    } else if constexpr (f.is_float()) {
      RunFloat(args, w, row, first_half, column, prefetch);
    } else {
      RunScaled(args, w, row, first_half, column, prefetch);
    }
  }
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_ROWS32_TILE_H_
