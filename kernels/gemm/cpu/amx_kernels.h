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

// Tile registers, whose intrinsics take literals only: 0 to 3 products (of input tile t and half h:
// 2 t + h), 4 and 5 inputs (32 rows, or the high and the low bytes of 16), 6 and 7 the weights of
// the halves of a row group.

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

QUANTD_INLINE int AtMost(int64_t value, int most) {
  return static_cast<int>(value < most ? value : most);
}
// The part of m rows that begins at `row`, in tiles.
QUANTD_INLINE int TilesFrom(int64_t m, int64_t row) {
  return AtMost((m - row + kTileRows - 1) / kTileRows, kChunkTiles);
}

// Whether tiles gain over vectors (measured on Sapphire Rapids): what they multiply is scaled by
// the vector unit for every set. Where sets are of 32 k that is half of the work, and a min, or
// sets of 16, make it the larger part.
constexpr bool TilesGain(PackedFormat format) {
  const Rows32Format& f = FormatOf(format);
  return f.set_weights == 0 || (!f.has_min() && !f.fine());
}

// A superblock of 32 rows as bytes with float scales and mins.
struct alignas(64) ByteSuper {
  uint8_t codes[kBlocksPerSuper][8][2][64];  // vectors (j, h) of each block
  float scales[kBlocksPerSuper][kGroupRows];
  float mins[kBlocksPerSuper][kGroupRows];
};

// The bytes are signed, but those of a format without a fixed zero point, which are unsigned.
template <class Simd, PackedFormat kFormat>
QUANTD_INLINE void ExpandToBytes(const uint8_t* w, int blocks, int span, ByteSuper* out) {
  constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  using Whole = Tile<Simd, kFormat, 2, 1>;
  typename Whole::SetBuffer buffer;
  const typename Whole::Super super(w, blocks, span, 0, &buffer);
  for (int set = 0; set < f.sets(blocks, span); ++set) {
    for (int h = 0; h < 2; ++h) {
      const auto scale = super.Scale(set, h);
      Simd::Store(out->scales[set] + h * kHalfRows, scale);
      if constexpr (f.has_min()) {
        Simd::Store(out->mins[set] + h * kHalfRows, super.Min(set, h, scale));
      }
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

// Formats with a scale for every 32 k: a product for each block, all k of which share a shift too.
template <class Simd, PackedFormat kFormat>
struct BlockTiles {
  using Sums = int32_t[kBlocksPerSuper][2][kTileRows][kHalfRows];

  // A superblock of 16 input rows. Rows of a model's width lie at distances that fall on the same
  // lines of a cache, so what is read of them is copied to where it lies together.
  struct alignas(64) Inputs {
    int8_t codes[kBlocksPerSuper][kTileRows][kBlockWeights];
    int32_t shifts[kTileRows][kBlocksPerSuper];
    float scales[kTileRows];
  };

  static constexpr int TileK(int) { return kBlockWeights; }

  // The input rows from `q` on, of which `rows` exist; zeros for the others.
  static QUANTD_INLINE void Pack(const QuantizedBlock* q, int64_t q_stride, int rows, int,
                                 Inputs* out) {
    memset(static_cast<void*>(out), 0, sizeof(*out));
    for (int row = 0; row < rows; ++row, q += q_stride) {
      for (int b = 0; b < kBlocksPerSuper; ++b) {
        memcpy(out->codes[b][row], q->codes + b * kBlockWeights, kBlockWeights);
      }
      memcpy(out->shifts[row], q->shifts, sizeof(q->shifts));
      out->scales[row] = q->scale;
    }
  }

  static QUANTD_INLINE void Multiply(const ByteSuper& super, int blocks, int, const Inputs& inputs,
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
  static QUANTD_INLINE typename Simd::Floats Scaled(const ByteSuper& super, int blocks, int,
                                                    const Inputs& inputs, const Sums sums, int row,
                                                    int half) {
    auto partial = Simd::Zero();
    for (int b = 0; b < blocks; ++b) {
      const auto total =
          Simd::ShiftLeft(_mm512_load_si512(sums[b][half][row]), Simd::Set1(inputs.shifts[row][b]));
      const auto scale = _mm512_load_ps(super.scales[b] + half * kHalfRows);
      partial = Simd::Fma(Simd::ToFloats(total), scale, partial);
    }
    return partial;
  }
};

// Formats whose scales cover more k than a shift of the activations does. Shifted activations take
// 15 bits: two bytes, whose products are summed apart over all k of a scale.
template <class Simd, PackedFormat kFormat>
struct SpanTiles {
  static constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  // Of the high and the low bytes of the inputs.
  using Sums = int32_t[kBlocksPerSuper][2][2][kTileRows][kHalfRows];

  struct alignas(64) Inputs {
    uint8_t high[kTileRows * kSuperWeights], low[kTileRows * kSuperWeights];  // [k][row][TileK]
    float sums[kBlocksPerSuper][kTileRows];                                   // of each set
    float scales[kTileRows];
  };

  static constexpr int TileK(int span) { return span < 64 ? span : 64; }

  static QUANTD_INLINE void Pack(const QuantizedBlock* q, int64_t q_stride, int rows, int span,
                                 Inputs* out) {
    const int tile_k = TileK(span);
    memset(static_cast<void*>(out), 0, sizeof(*out));
    for (int row = 0; row < rows; ++row, q += q_stride) {
      for (int b = 0; b < kBlocksPerSuper; ++b) {
        const int k = b * kBlockWeights;
        const __m512i codes = _mm512_cvtepi8_epi16(
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q->codes + k)));
        const __m512i shifted = _mm512_sll_epi16(codes, _mm_cvtsi32_si128(q->shifts[b]));
        const int at = (k / tile_k * kTileRows + row) * tile_k + k % tile_k;
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out->high + at),
                            _mm512_cvtepi16_epi8(_mm512_srai_epi16(shifted, 8)));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out->low + at),
                            _mm512_cvtepi16_epi8(shifted));
        out->sums[k / span][row] += q->sums[b];  // exact
      }
      out->scales[row] = q->scale;
    }
  }

  static QUANTD_INLINE void Multiply(const ByteSuper& super, int blocks, int span,
                                     const Inputs& inputs, Sums sums) {
    const int tile_k = TileK(span), end = blocks * kBlockWeights;
    for (int k = 0, set = 0; k < end; ++set) {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      const int set_end = k + span < end ? k + span : end;
      for (; k < set_end; k += tile_k) {
        _tile_loadd(4, inputs.high + k * kTileRows, tile_k);
        _tile_loadd(5, inputs.low + k * kTileRows, tile_k);
        LoadWeightTiles<Simd>(super.codes[k / kBlockWeights]);
        if constexpr (f.zero == 0) {
          _tile_dpbsud(0, 4, 6);
          _tile_dpbsud(1, 4, 7);
          _tile_dpbuud(2, 5, 6);
          _tile_dpbuud(3, 5, 7);
        } else {
          _tile_dpbssd(0, 4, 6);
          _tile_dpbssd(1, 4, 7);
          _tile_dpbusd(2, 5, 6);
          _tile_dpbusd(3, 5, 7);
        }
      }
      _tile_stored(0, sums[set][0][0], 64);
      _tile_stored(1, sums[set][0][1], 64);
      _tile_stored(2, sums[set][1][0], 64);
      _tile_stored(3, sums[set][1][1], 64);
    }
  }

  static QUANTD_INLINE typename Simd::Floats Scaled(const ByteSuper& super, int blocks, int span,
                                                    const Inputs& inputs, const Sums sums, int row,
                                                    int half) {
    auto partial = Simd::Zero();
    for (int set = 0; set * span < blocks * kBlockWeights; ++set) {
      const auto high = _mm512_load_si512(sums[set][0][half][row]);
      const auto total =
          Simd::Add(_mm512_slli_epi32(high, 8), _mm512_load_si512(sums[set][1][half][row]));
      const auto scale = _mm512_load_ps(super.scales[set] + half * kHalfRows);
      partial = Simd::Fma(Simd::ToFloats(total), scale, partial);
      if constexpr (f.has_min()) {
        const auto min = _mm512_load_ps(super.mins[set] + half * kHalfRows);
        partial = Simd::Fma(min, Simd::Set1(inputs.sums[set][row]), partial);
      }
    }
    return partial;
  }
};

// Adds the product with a superblock to y[rows][32], of which only the first `outputs` exist.
template <class Simd, class Tiles>
QUANTD_INLINE void AddSuper(const ByteSuper& super, int blocks, int span,
                            const typename Tiles::Inputs& inputs, int rows, bool first, float* y,
                            int64_t y_stride, int outputs) {
  alignas(64) typename Tiles::Sums sums;
  Tiles::Multiply(super, blocks, span, inputs, sums);
  for (int half = 0; half < 2; ++half) {
    const int count = AtMost(outputs - half * kHalfRows, kHalfRows);
    if (count <= 0) return;
    for (int row = 0; row < rows; ++row) {
      float* const out = y + row * y_stride + half * kHalfRows;
      const auto before = first ? Simd::Zero() : Simd::LoadFirst(out, count);
      const auto partial = Tiles::Scaled(super, blocks, span, inputs, sums, row, half);
      Simd::StoreFirst(out, Simd::Fma(partial, Simd::Set1(inputs.scales[row]), before), count);
    }
  }
}

// A stretch of superblocks of a chunk of input rows at a time, as much as stays in L2: its inputs
// are packed once, and all row groups pass over them, whose sums stay in the first cache meanwhile.
template <class Simd, PackedFormat kFormat, class Tiles>
void RunIntTiles(const GemmArgs& args) {
  constexpr int kStretchSupers = 8;
  ByteSuper super = {};  // a tile may take a block more than the last superblock has, by zeros
  typename Tiles::Inputs inputs[kStretchSupers][kChunkTiles];
  const int64_t group_bytes = Rows32GroupBytes(kFormat, args.k, args.span);
  const int64_t super_bytes = FormatOf(kFormat).super_bytes(kBlocksPerSuper, args.span);
  ConfigureTiles<Simd>(Tiles::TileK(args.span) / 4);
  for (int64_t row = 0; row < args.m; row += kChunkTiles * kTileRows) {
    const int tiles = TilesFrom(args.m, row);
    const auto rows = [&](int tile) __attribute__((always_inline)) {
      return AtMost(args.m - row - tile * kTileRows, kTileRows);
    };
    for (int64_t first = 0; first < QuantizedBlocks(args.k); first += kStretchSupers) {
      const int supers = AtMost(QuantizedBlocks(args.k) - first, kStretchSupers);
      for (int s = 0; s < supers; ++s) {
        for (int tile = 0; tile < tiles; ++tile) {
          Tiles::Pack(args.q + (row + tile * kTileRows) * args.q_stride + first + s, args.q_stride,
                      rows(tile), args.span, &inputs[s][tile]);
        }
      }
      for (int64_t group = 0; group < args.groups; ++group) {
        const uint8_t* const w = args.weights + group * group_bytes + first * super_bytes;
        const int outputs = AtMost(args.rows - group * kGroupRows, kGroupRows);
        for (int s = 0; s < supers; ++s) {
          const int64_t left = args.k - (first + s) * kSuperWeights;
          const int blocks = AtMost((left + kBlockWeights - 1) / kBlockWeights, kBlocksPerSuper);
          ExpandToBytes<Simd, kFormat>(w + s * super_bytes, blocks, args.span, &super);
          const uint8_t* const next = s + 1 < supers ? w + (s + 1) * super_bytes : w + group_bytes;
          Prefetch<kTileRows> prefetch(next, super_bytes, tiles);
          for (int tile = 0; tile < tiles; ++tile) {
            prefetch.Step();
            AddSuper<Simd, Tiles>(
                super, blocks, args.span, inputs[s][tile], rows(tile), first + s == 0,
                args.y + (row + tile * kTileRows) * args.y_stride + group * kGroupRows,
                args.y_stride, outputs);
          }
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
      constexpr bool kSpans = FormatOf(kFirst).set_weights == 0;
      if (format == kFirst) {
        return {nullptr, nullptr,
                kSpans ? RunIntTiles<Simd, kFirst, SpanTiles<Simd, kFirst>>
                       : RunIntTiles<Simd, kFirst, BlockTiles<Simd, kFirst>>};
      }
    }
    constexpr auto kNext = static_cast<PackedFormat>(static_cast<int>(kFirst) + 1);
    return FindIntTiles<Simd, kNext, kEnd>(format);
  }
  return {nullptr, nullptr, nullptr};
}

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_AMX_KERNELS_H_
