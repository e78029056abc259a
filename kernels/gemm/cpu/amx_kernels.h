#ifndef QUANTD_KERNELS_GEMM_CPU_AMX_KERNELS_H_
#define QUANTD_KERNELS_GEMM_CPU_AMX_KERNELS_H_

#include "kernels/gemm/cpu/simd_avx512bf16.h"

// Products in AMX tile registers (Intel SDM volume 1, chapter 18). A tile of weights is 64-byte
// rows of what kRows32 calls a vector (j, h): 16 output rows by the 4 bytes of consecutive k. Slabs
// of weights are expanded to such rows first, in memory that stays in the nearest caches.

namespace quantd {

// Input rows of a tile, and of what is packed at once: more of them would not stay in L2.
inline constexpr int kTileRows = 16;
inline constexpr int kChunkTiles = 8;

// Tile registers, whose intrinsics take literals only: 0 to 3 products (row tile t, half h: 2 t +
// h), 4 and 5 input rows, 6 and 7 the weights of the halves of a row group.

// What ldtilecfg reads.
template <class Simd>
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Shapes the tiles for `words` 4-byte words of k.
template <class Simd>
QUANTD_INLINE void ConfigureTiles(int words) {
  TileConfig<Simd> config;
  for (int tile = 0; tile < 8; ++tile) {
    const bool inputs = tile == 4 || tile == 5, weights = tile >= 6;
    config.rows[tile] = static_cast<uint8_t>(weights ? words : kTileRows);
    config.row_bytes[tile] = static_cast<uint16_t>(inputs ? 4 * words : 64);
  }
  // GCC's intrinsic says that it reads 8 bytes only, so that the rest might never be written.
  asm volatile("" : : "r"(&config) : "memory");
  _tile_loadconfig(&config);
}

// Loads both tiles of weights from vectors (j, 0), (j, 1), (j + 1, 0) ...
template <class Simd>
QUANTD_INLINE void LoadWeightTiles(const void* vectors) {
  _tile_loadd(6, vectors, 128);
  _tile_loadd(7, static_cast<const uint8_t*>(vectors) + 64, 128);
}

// The part of m rows that begins at `row`, in tiles.
QUANTD_INLINE int TilesFrom(int64_t m, int64_t row) {
  const int64_t tiles = (m - row + kTileRows - 1) / kTileRows;
  return static_cast<int>(tiles < kChunkTiles ? tiles : kChunkTiles);
}
QUANTD_INLINE int AtMost(int64_t value, int most) {
  return static_cast<int>(value < most ? value : most);
}

// Whether tiles gain over vectors: what they multiply must be scaled by the vector unit for every
// set of k, and a min, or a set of 16, makes that the larger part of the work (measured on Sapphire
// Rapids).
constexpr bool TilesGain(PackedFormat format) {
  return !FormatOf(format).has_min() && !FormatOf(format).fine();
}

// A superblock of 32 rows as signed bytes with float scales.
struct alignas(64) SignedSuper {
  uint8_t codes[kBlocksPerSuper][8][2][64];  // vectors (j, h) of each block
  float scales[kBlocksPerSuper][kGroupRows];
};

// A superblock of 16 input rows. Rows of a model's width lie at distances that fall on the same
// lines of a cache, so what is read of them is copied to where it lies together.
struct alignas(64) InputSuper {
  int8_t codes[kBlocksPerSuper][kTileRows][kBlockWeights];
  int32_t shifts[kTileRows][kBlocksPerSuper];
  float scales[kTileRows];
};

// The product of 16 input rows with a superblock, block by block: all k of one share a shift.
template <class Simd, PackedFormat kFormat>
struct IntTiles {
  static constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  using Sums = int32_t[kBlocksPerSuper][2][kTileRows][kHalfRows];

  static QUANTD_INLINE void Expand(const uint8_t* w, int blocks, int span, SignedSuper* out) {
    using Whole = Tile<Simd, kFormat, 2, 1>;
    typename Whole::SetBuffer buffer;
    const typename Whole::Super super(w, blocks, span, 0, &buffer);
    for (int set = 0; set < f.sets(blocks, span); ++set) {
      for (int h = 0; h < 2; ++h) {
        Simd::Store(out->scales[set] + h * kHalfRows, super.Scale(set, h));
      }
    }
    for (int b = 0; b < blocks; ++b) {
      const uint8_t* const block = super.codes + b * f.block_bytes();
      Unroll<Simd, 0, 8>([&](auto j) __attribute__((always_inline)) {
        for (int h = 0; h < 2; ++h) {
          const auto bytes = Simd::template CodeBytes<kFormat, decltype(j)::value>(block, h);
          Simd::StoreBytes(out->codes[b][j.value][h], Simd::template AddBytes<-f.zero>(bytes));
        }
      });
    }
  }

  // The input rows from `q` on, of which `rows` exist; zeros for the others.
  static QUANTD_INLINE void PackInputs(const QuantizedBlock* q, int64_t q_stride, int rows,
                                       InputSuper* out) {
    memset(static_cast<void*>(out), 0, sizeof(*out));
    for (int row = 0; row < rows; ++row, q += q_stride) {
      for (int b = 0; b < kBlocksPerSuper; ++b) {
        memcpy(out->codes[b][row], q->codes + b * kBlockWeights, kBlockWeights);
      }
      memcpy(out->shifts[row], q->shifts, sizeof(q->shifts));
      out->scales[row] = q->scale;
    }
  }

  static QUANTD_INLINE void Multiply(const SignedSuper& super, int blocks, const InputSuper& inputs,
                                     Sums sums) {
    for (int b = 0; b < blocks; ++b) {
      _tile_zero(0);
      _tile_zero(1);
      _tile_loadd(4, inputs.codes[b], kBlockWeights);
      LoadWeightTiles<Simd>(super.codes[b]);
      _tile_dpbssd(0, 4, 6);
      _tile_dpbssd(1, 4, 7);
      _tile_stored(0, sums[b][0], 64);
      _tile_stored(1, sums[b][1], 64);
    }
  }

  // The scaled sum of one input row and half of the output rows.
  static QUANTD_INLINE typename Simd::Floats Scaled(const SignedSuper& super, int blocks, int span,
                                                    const InputSuper& inputs, const Sums sums,
                                                    int row, int half) {
    const auto shifted = [&](int b) __attribute__((always_inline)) {
      return Simd::ShiftLeft(_mm512_load_si512(sums[b][half][row]),
                             Simd::Set1(inputs.shifts[row][b]));
    };
    const int per_set = f.set_weights == 0 ? span / kBlockWeights : 1;
    auto partial = Simd::Zero();
    for (int set = 0, b = 0; b < blocks; ++set) {
      const int end = b + per_set < blocks ? b + per_set : blocks;
      auto total = shifted(b);
      while (++b < end) total = Simd::Add(total, shifted(b));
      const float* const scales = super.scales[set] + half * kHalfRows;
      partial = Simd::Fma(Simd::ToFloats(total),
                          Simd::LoadF32(reinterpret_cast<const uint8_t*>(scales)), partial);
    }
    return partial;
  }

  // Adds the product with a superblock to y[rows][32], of which only the first `outputs` exist.
  static QUANTD_INLINE void AddSuper(const SignedSuper& super, int blocks, int span,
                                     const InputSuper& inputs, int rows, bool first, float* y,
                                     int64_t y_stride, int outputs) {
    alignas(64) Sums sums;
    Multiply(super, blocks, inputs, sums);
    for (int half = 0; half < 2; ++half) {
      const int count = AtMost(outputs - half * kHalfRows, kHalfRows);
      if (count <= 0) return;
      for (int row = 0; row < rows; ++row) {
        float* const out = y + row * y_stride + half * kHalfRows;
        const auto before = first ? Simd::Zero() : Simd::LoadFirst(out, count);
        const auto partial = Scaled(super, blocks, span, inputs, sums, row, half);
        Simd::StoreFirst(out, Simd::Fma(partial, Simd::Set1(inputs.scales[row]), before), count);
      }
    }
  }
};

// A chunk of input rows at a time: of each superblock its inputs are packed once, and all row
// groups pass over them.
template <class Simd, PackedFormat kFormat>
void RunIntTiles(const GemmArgs& args) {
  using Tiles = IntTiles<Simd, kFormat>;
  SignedSuper super;
  InputSuper inputs[kChunkTiles];
  const int64_t group_bytes = Rows32GroupBytes(kFormat, args.k, args.span);
  const int64_t super_bytes = Tiles::f.super_bytes(kBlocksPerSuper, args.span);
  ConfigureTiles<Simd>(kBlockWeights / 4);
  for (int64_t row = 0; row < args.m; row += kChunkTiles * kTileRows) {
    const int tiles = TilesFrom(args.m, row);
    const auto rows = [&](int tile) __attribute__((always_inline)) {
      return AtMost(args.m - row - tile * kTileRows, kTileRows);
    };
    for (int64_t s = 0; s < QuantizedBlocks(args.k); ++s) {
      const int blocks =
          AtMost((args.k - s * kSuperWeights + kBlockWeights - 1) / kBlockWeights, kBlocksPerSuper);
      for (int tile = 0; tile < tiles; ++tile) {
        Tiles::PackInputs(args.q + (row + tile * kTileRows) * args.q_stride + s, args.q_stride,
                          rows(tile), inputs + tile);
      }
      for (int64_t group = 0; group < args.groups; ++group) {
        Tiles::Expand(args.weights + group * group_bytes + s * super_bytes, blocks, args.span,
                      &super);
        const int outputs = AtMost(args.rows - group * kGroupRows, kGroupRows);
        for (int tile = 0; tile < tiles; ++tile) {
          Tiles::AddSuper(super, blocks, args.span, inputs[tile], rows(tile), s == 0,
                          args.y + (row + tile * kTileRows) * args.y_stride + group * kGroupRows,
                          args.y_stride, outputs);
        }
      }
    }
  }
  _tile_release();
}

// k of a tile of BF16, and of what is expanded at once.
inline constexpr int kBf16TileK = 32;
inline constexpr int kStretchTiles = 16;
inline constexpr int kStretch = kStretchTiles * kBf16TileK;

// A tile of 16 input rows, or of pairs of weights.
using Bf16Tile = uint16_t[kTileRows][kBf16TileK];

// Input rows from `x` on, of which `rows` exist, as `count` tiles; zeros for the others.
template <class Simd>
QUANTD_INLINE void PackBf16(const uint16_t* x, int64_t x_stride, int rows, int count,
                            Bf16Tile* out) {
  for (int tile = 0; tile < count; ++tile) {
    memset(out[tile], 0, sizeof(Bf16Tile));
    for (int row = 0; row < rows; ++row) {
      memcpy(out[tile][row], x + row * x_stride + tile * kBf16TileK, sizeof(out[tile][row]));
    }
  }
}

// Pairs of `count` k of a row group, and zeros up to a whole tile.
template <class Simd, PackedFormat kFormat>
QUANTD_INLINE void ExpandPairs(const uint8_t* w, int64_t count, uint8_t* out) {
  constexpr int kBytes = 2 * kGroupRows;  // of the values of a k
  alignas(64) static constexpr uint8_t kZeros[kBytes] = {};
  for (int64_t k = 0; k < Bf16Stride(count); k += 2, out += 2 * kBytes) {
    typename Simd::Pairs pairs[2];
    const uint8_t* const at = w + k * kBytes;
    Simd::template LoadPairs<kFormat>(k < count ? at : kZeros, k + 1 < count ? at + kBytes : kZeros,
                                      pairs);
    Simd::StoreBytes(out, pairs[0]);
    Simd::StoreBytes(out + 64, pairs[1]);
  }
}

// Adds `count` tiles of k to sums[16 kTiles][32], `stride` bytes between rows; `x`: the tiles of
// the first 16 input rows, kStretchTiles before those of the next. Meanwhile fetches `next`, the
// weights that are expanded then.
template <class Simd, int kTiles>
QUANTD_INLINE void AddPairs(const uint8_t* pairs, int count, const Bf16Tile* x, float* sums,
                            int64_t stride, const uint8_t* next) {
  float* const second = sums + kTileRows * stride / static_cast<int64_t>(sizeof(float));
  _tile_loadd(0, sums, stride);
  _tile_loadd(1, sums + kHalfRows, stride);
  if constexpr (kTiles == 2) {
    _tile_loadd(2, second, stride);
    _tile_loadd(3, second + kHalfRows, stride);
  }
  for (int tile = 0; tile < count; ++tile) {
    for (int line = 0; next != nullptr && line < kBf16TileK; ++line) {
      __builtin_prefetch(next + (tile * kBf16TileK + line) * 64, 0, 2);
    }
    LoadWeightTiles<Simd>(pairs + tile * kBf16TileK * 2 * kGroupRows);
    _tile_loadd(4, x[tile], 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (kTiles == 2) {
      _tile_loadd(5, x[kStretchTiles + tile], 64);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, sums, stride);
  _tile_stored(1, sums + kHalfRows, stride);
  if constexpr (kTiles == 2) {
    _tile_stored(2, second, stride);
    _tile_stored(3, second + kHalfRows, stride);
  }
}

// The sums of up to 32 input rows and 32 output rows, of which `rows` and `outputs` exist in y.
// Tiles are loaded and stored whole, so elsewhere: the strides of y would fall on the same lines
// of a cache, too.
template <class Simd>
QUANTD_INLINE void AddToOutputs(const uint8_t* pairs, int count, const Bf16Tile* x, int rows,
                                int outputs, bool first, float* y, int64_t y_stride,
                                const uint8_t* next) {
  alignas(64) float sums[2 * kTileRows][kGroupRows];
  const size_t bytes = static_cast<size_t>(outputs) * sizeof(float);
  if (first || outputs < kGroupRows || rows % kTileRows != 0) memset(sums, 0, sizeof(sums));
  for (int i = 0; !first && i < rows; ++i) memcpy(sums[i], y + i * y_stride, bytes);
  if (rows > kTileRows) {
    AddPairs<Simd, 2>(pairs, count, x, sums[0], sizeof(sums[0]), next);
  } else {
    AddPairs<Simd, 1>(pairs, count, x, sums[0], sizeof(sums[0]), next);
  }
  for (int i = 0; i < rows; ++i) memcpy(y + i * y_stride, sums[i], bytes);
}

// As RunIntTiles, by stretches of k.
template <class Simd, PackedFormat kFormat>
void RunBf16Tiles(const GemmArgs& args) {
  constexpr int kBytes = 2 * kGroupRows;  // of the values of a k
  alignas(64) uint8_t pairs[kStretch * kBytes];
  alignas(64) Bf16Tile inputs[kChunkTiles][kStretchTiles];
  ConfigureTiles<Simd>(kBf16TileK / 2);
  for (int64_t row = 0; row < args.m; row += kChunkTiles * kTileRows) {
    const int tiles = TilesFrom(args.m, row);
    const auto rows = [&](int tile, int most) __attribute__((always_inline)) {
      return AtMost(args.m - row - tile * kTileRows, most);
    };
    for (int64_t k = 0; k < args.k; k += kStretch) {
      const int64_t weights = AtMost(args.k - k, kStretch);
      const int count = static_cast<int>(Bf16Stride(weights) / kBf16TileK);
      for (int tile = 0; tile < tiles; ++tile) {
        PackBf16<Simd>(args.bf16 + (row + tile * kTileRows) * args.bf16_stride + k,
                       args.bf16_stride, rows(tile, kTileRows), count, inputs[tile]);
      }
      for (int64_t group = 0; group < args.groups; ++group) {
        const uint8_t* const w = args.weights + (group * args.k + k) * kBytes;
        const int outputs = AtMost(args.rows - group * kGroupRows, kGroupRows);
        ExpandPairs<Simd, kFormat>(w, weights, pairs);
        for (int tile = 0; tile < tiles; tile += 2) {
          AddToOutputs<Simd>(pairs, count, inputs[tile], rows(tile, 2 * kTileRows), outputs, k == 0,
                             args.y + (row + tile * kTileRows) * args.y_stride + group * kGroupRows,
                             args.y_stride, tile == 0 ? w + args.k * kBytes : nullptr);
        }
      }
    }
  }
  _tile_release();
}

// Subnormal numbers become zeros.
template <class Simd>
QUANTD_INLINE __m512 Flush(__m512 v) {
  const __m512 sign = _mm512_and_ps(v, Simd::Set1(-0.0f));
  const __mmask16 tiny = _mm512_cmp_ps_mask(_mm512_abs_ps(v), Simd::Set1(0x1p-126f), _CMP_LT_OQ);
  return _mm512_mask_mov_ps(v, tiny, sign);
}

// m = 1 in the arithmetic of the tiles, without their detour through memory: sums of the even and
// of the odd k by products of pairs of which one is zero.
template <class Simd, PackedFormat kFormat>
void RunBf16Decode(const GemmArgs& args) {
  constexpr int kBytes = 2 * kGroupRows;  // of the values of a k
  alignas(64) static constexpr uint8_t kZeros[kBytes] = {};
  const __m512i even = _mm512_set1_epi32(0xffff);
  for (int64_t group = 0; group < args.groups; ++group) {
    const uint8_t* const w = args.weights + group * args.k * kBytes;
    typename Simd::Floats acc[2] = {Simd::Zero(), Simd::Zero()};
    for (int64_t first = 0; first < args.k; first += kBf16TileK) {
      typename Simd::Floats sums[2][2];
      for (int i = 0; i < 4; ++i) sums[i / 2][i % 2] = Simd::Zero();
      for (int64_t k = first; k < first + kBf16TileK && k < args.k; k += 2) {
        const uint8_t* const at = w + k * kBytes;
        __builtin_prefetch(at + args.fetch_ahead);
        __builtin_prefetch(at + args.fetch_ahead + kBytes);
        typename Simd::Pairs pairs[2];
        Simd::template LoadPairs<kFormat>(at, k + 1 < args.k ? at + kBytes : kZeros, pairs);
        const uint16_t* const x = args.bf16 + k;
        const uint16_t split[2][2] = {{x[0], 0}, {0, x[1]}};
        for (int h = 0; h < 2; ++h) {
          sums[h][0] = Simd::DotPairs(sums[h][0], _mm512_and_si512(pairs[h], even), split[0]);
          sums[h][1] = Simd::DotPairs(sums[h][1], _mm512_andnot_si512(even, pairs[h]), split[1]);
        }
      }
      for (int h = 0; h < 2; ++h) {
        const auto sum = Flush<Simd>(_mm512_add_ps(sums[h][0], sums[h][1]));
        acc[h] = Flush<Simd>(_mm512_add_ps(acc[h], sum));
      }
    }
    for (int h = 0; h < 2; ++h) {
      const int64_t row = group * kGroupRows + h * kHalfRows;
      const int count = AtMost(args.rows - row, kHalfRows);
      if (count > 0) Simd::StoreFirst(args.y + row, acc[h], count);
    }
  }
}

// The functions of an integer format out of [kFirst, kEnd), null when it is another.
template <class Simd, PackedFormat kFirst, PackedFormat kEnd>
KernelRuns FindIntTiles(PackedFormat format) {
  if constexpr (kFirst < kEnd) {
    if constexpr (TilesGain(kFirst)) {
      if (format == kFirst) return {nullptr, nullptr, RunIntTiles<Simd, kFirst>};
    }
    constexpr auto kNext = static_cast<PackedFormat>(static_cast<int>(kFirst) + 1);
    return FindIntTiles<Simd, kNext, kEnd>(format);
  }
  return {nullptr, nullptr, nullptr};
}

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_AMX_KERNELS_H_
