#ifndef QUANTD_KERNELS_GEMM_CPU_AMX_KERNELS_H_
#define QUANTD_KERNELS_GEMM_CPU_AMX_KERNELS_H_

#include "kernels/gemm/cpu/simd_avx512bf16.h"

// Products in AMX tile registers (Intel SDM volume 1, chapter 18). A tile of weights is 64-byte
// rows of what kRows32 calls a vector (j, h): 16 output rows by the 4 bytes of consecutive k. Slabs
// of weights are expanded to such rows first, in memory that stays in the nearest caches.

namespace quantd {

// Input rows of a tile.
inline constexpr int kTileRows = 16;
// Tile registers, whose intrinsics take literals only: 0 and 1 the products of the two halves of a
// row group, 2 input rows, 3 and 4 the weights of the halves.

// What ldtilecfg reads.
template <class Simd>
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Shapes the tiles for `rows` input rows of `words` 4-byte words of k each.
template <class Simd>
QUANTD_INLINE void ConfigureTiles(int rows, int words) {
  TileConfig<Simd> config;
  const auto set = [&](int tile, int tile_rows, int row_bytes) __attribute__((always_inline)) {
    config.rows[tile] = static_cast<uint8_t>(tile_rows);
    config.row_bytes[tile] = static_cast<uint16_t>(row_bytes);
  };
  set(0, rows, 64);
  set(1, rows, 64);
  set(2, rows, 4 * words);
  set(3, words, 64);
  set(4, words, 64);
  _tile_loadconfig(&config);
}

// Loads both tiles of weights from vectors (j, 0), (j, 1), (j + 1, 0) ...
template <class Simd>
QUANTD_INLINE void LoadWeightTiles(const void* vectors) {
  _tile_loadd(3, vectors, 128);
  _tile_loadd(4, static_cast<const uint8_t*>(vectors) + 64, 128);
}

// A superblock of 32 rows as signed bytes with float scales and mins.
struct alignas(64) SignedSuper {
  int8_t codes[kBlocksPerSuper][8][2][64];  // vectors (j, h) of each block
  float scales[kSuperWeights / 16][kGroupRows];
  float mins[kSuperWeights / 16][kGroupRows];
};

// The product of 16 input rows with a superblock, set by set.
template <class Simd, PackedFormat kFormat>
struct IntTiles {
  static constexpr Rows32Format f = kRows32[static_cast<int>(kFormat)];
  // k of one tile product: those that share a shift and a scale.
  static constexpr int kWeights = f.fine() ? 16 : kBlockWeights;
  static constexpr int kProducts = kSuperWeights / kWeights;
  using Sums = int32_t[kProducts][2][kTileRows][kHalfRows];

  static QUANTD_INLINE void Expand(const uint8_t* w, int blocks, int span, SignedSuper* out) {
    const typename Tile<Simd, kFormat, 2, 1>::Super super(w, blocks, span, 0);
    const int sets = f.sets(blocks, span);
    for (int set = 0; set < sets; ++set) {
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
          Simd::StoreBytes(reinterpret_cast<uint8_t*>(out->codes[b][j.value][h]),
                           Simd::template AddBytes<-f.zero>(bytes));
        }
      });
    }
  }

  // Products of `q`, the first of consecutive input rows, with the first `blocks` blocks.
  static QUANTD_INLINE void Multiply(const SignedSuper& super, int blocks, const QuantizedBlock* q,
                                     int64_t q_stride, Sums sums) {
    const int64_t stride = q_stride * static_cast<int64_t>(sizeof(QuantizedBlock));
    const int8_t* const vectors = super.codes[0][0][0];
    for (int i = 0; i < blocks * kBlockWeights / kWeights; ++i) {
      _tile_zero(0);
      _tile_zero(1);
      _tile_loadd(2, q->codes + kWeights * i, stride);
      LoadWeightTiles<Simd>(vectors + kGroupRows * kWeights * i);
      _tile_dpbssd(0, 2, 3);
      _tile_dpbssd(1, 2, 4);
      _tile_stored(0, sums[i][0], 64);
      _tile_stored(1, sums[i][1], 64);
    }
  }

  // The scaled sum of one input row and half of the output rows.
  static QUANTD_INLINE typename Simd::Floats Scaled(const SignedSuper& super, int blocks, int span,
                                                    const QuantizedBlock& q, const Sums sums,
                                                    int row, int half) {
    constexpr int kPerBlock = kBlockWeights / kWeights;
    const int per_set = f.set_weights == 0 ? span / kBlockWeights : 1;
    auto partial = Simd::Zero();
    const int products = blocks * kPerBlock;
    for (int set = 0, i = 0; i < products; ++set) {
      const int end = i + per_set < products ? i + per_set : products;
      auto total = Simd::ZeroInts();
      float activations = 0;
      for (; i < end; ++i) {
        const auto sum = _mm512_load_si512(sums[i][half][row]);
        total = Simd::Add(total, Simd::ShiftLeft(sum, Simd::Set1(q.shifts[i / kPerBlock])));
        if constexpr (f.has_min()) activations += f.fine() ? q.half_sums[i] : q.sums[i];  // exact
      }
      const auto at = [&](const float* set_values) __attribute__((always_inline)) {
        return Simd::LoadF32(reinterpret_cast<const uint8_t*>(set_values + half * kHalfRows));
      };
      partial = Simd::Fma(Simd::ToFloats(total), at(super.scales[set]), partial);
      if constexpr (f.has_min()) {
        partial = Simd::Fma(at(super.mins[set]), Simd::Set1(activations), partial);
      }
    }
    return partial;
  }

  // Adds the product with a superblock to y[rows][32], of which only the first `outputs` exist.
  static QUANTD_INLINE void AddSuper(const SignedSuper& super, int blocks, int span,
                                     const QuantizedBlock* q, int64_t q_stride, int rows,
                                     bool first, float* y, int64_t y_stride, int outputs) {
    alignas(64) Sums sums;
    Multiply(super, blocks, q, q_stride, sums);
    for (int half = 0; half < 2; ++half) {
      const int rest = outputs - half * kHalfRows;
      const int count = rest < kHalfRows ? rest : kHalfRows;
      if (count <= 0) return;
      for (int row = 0; row < rows; ++row) {
        const QuantizedBlock& block = q[row * q_stride];
        float* const out = y + row * y_stride + half * kHalfRows;
        const auto before = first ? Simd::Zero() : Simd::LoadFirst(out, count);
        const auto partial = Scaled(super, blocks, span, block, sums, row, half);
        Simd::StoreFirst(out, Simd::Fma(partial, Simd::Set1(block.scale), before), count);
      }
    }
  }
};

template <class Simd, PackedFormat kFormat>
void RunIntTiles(const GemmArgs& args) {
  using Tiles = IntTiles<Simd, kFormat>;
  constexpr int kSupers = 2;
  SignedSuper supers[kSupers];
  const int64_t group_bytes = Rows32GroupBytes(kFormat, args.k, args.span);
  for (int64_t group = 0; group < args.groups; ++group) {
    const uint8_t* w = args.weights + group * group_bytes;
    const int64_t rest = args.rows - group * kGroupRows;
    const int outputs = static_cast<int>(rest < kGroupRows ? rest : kGroupRows);
    for (int64_t super = 0; super < QuantizedBlocks(args.k); super += kSupers) {
      int blocks[kSupers] = {};
      for (int i = 0; i < kSupers; ++i) {
        const int64_t left =
            (args.k - (super + i) * kSuperWeights + kBlockWeights - 1) / kBlockWeights;
        blocks[i] = left < 0                 ? 0
                    : left < kBlocksPerSuper ? static_cast<int>(left)
                                             : kBlocksPerSuper;
        if (blocks[i] > 0) Tiles::Expand(w, blocks[i], args.span, supers + i);
        w += Tiles::f.super_bytes(kBlocksPerSuper, args.span);
      }
      for (int64_t row = 0; row < args.m; row += kTileRows) {
        const int rows = static_cast<int>(args.m - row < kTileRows ? args.m - row : kTileRows);
        ConfigureTiles<Simd>(rows, Tiles::kWeights / 4);
        for (int i = 0; i < kSupers && blocks[i] > 0; ++i) {
          Tiles::AddSuper(supers[i], blocks[i], args.span, args.q + row * args.q_stride + super + i,
                          args.q_stride, rows, super + i == 0,
                          args.y + row * args.y_stride + group * kGroupRows, args.y_stride,
                          outputs);
        }
      }
    }
  }
  _tile_release();
}

// k of a tile of BF16, and of what is expanded at once.
inline constexpr int kBf16TileK = 32;
inline constexpr int kBf16Stretch = 16 * kBf16TileK;

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

// y[rows][32] gains the products of `tiles` tiles of k.
template <class Simd>
QUANTD_INLINE void AddPairs(const uint8_t* pairs, int64_t tiles, const uint16_t* x,
                            int64_t x_stride, bool first, float* y, int64_t y_stride) {
  const int64_t stride = y_stride * static_cast<int64_t>(sizeof(float));
  if (first) {
    _tile_zero(0);
    _tile_zero(1);
  } else {
    _tile_loadd(0, y, stride);
    _tile_loadd(1, y + kHalfRows, stride);
  }
  for (int64_t tile = 0; tile < tiles; ++tile) {
    _tile_loadd(2, x + tile * kBf16TileK, 2 * x_stride);
    LoadWeightTiles<Simd>(pairs + tile * kBf16TileK * 2 * kGroupRows);
    _tile_dpbf16ps(0, 2, 3);
    _tile_dpbf16ps(1, 2, 4);
  }
  _tile_stored(0, y, stride);
  _tile_stored(1, y + kHalfRows, stride);
}

template <class Simd, PackedFormat kFormat>
void RunBf16Tiles(const GemmArgs& args) {
  alignas(64) uint8_t pairs[kBf16Stretch * 2 * kGroupRows];
  for (int64_t group = 0; group < args.groups; ++group) {
    const uint8_t* const w = args.weights + group * args.k * 2 * kGroupRows;
    const int64_t outputs = args.rows - group * kGroupRows;
    for (int64_t k = 0; k < args.k; k += kBf16Stretch) {
      const int64_t count = args.k - k < kBf16Stretch ? args.k - k : kBf16Stretch;
      ExpandPairs<Simd, kFormat>(w + k * 2 * kGroupRows, count, pairs);
      for (int64_t row = 0; row < args.m; row += kTileRows) {
        const int rows = static_cast<int>(args.m - row < kTileRows ? args.m - row : kTileRows);
        const uint16_t* const x = args.bf16 + row * args.bf16_stride + k;
        float* const y = args.y + row * args.y_stride + group * kGroupRows;
        const int64_t tiles = Bf16Stride(count) / kBf16TileK;
        ConfigureTiles<Simd>(rows, kBf16TileK / 2);
        if (outputs >= kGroupRows) {
          AddPairs<Simd>(pairs, tiles, x, args.bf16_stride, k == 0, y, args.y_stride);
          continue;
        }
        // The last row group: tiles are stored whole, so elsewhere.
        alignas(64) float whole[kTileRows][kGroupRows] = {};
        const size_t bytes = outputs * sizeof(float);
        for (int i = 0; i < rows; ++i) memcpy(whole[i], y + i * args.y_stride, bytes);
        AddPairs<Simd>(pairs, tiles, x, args.bf16_stride, k == 0, whole[0], kGroupRows);
        for (int i = 0; i < rows; ++i) memcpy(y + i * args.y_stride, whole[i], bytes);
      }
    }
  }
  _tile_release();
}

// The functions of an integer format out of [kFirst, kEnd), null when it is another.
template <class Simd, PackedFormat kFirst, PackedFormat kEnd>
KernelRuns FindIntTiles(PackedFormat format) {
  if constexpr (kFirst < kEnd) {
    if (format == kFirst) return {nullptr, nullptr, RunIntTiles<Simd, kFirst>};
    constexpr auto kNext = static_cast<PackedFormat>(static_cast<int>(kFirst) + 1);
    return FindIntTiles<Simd, kNext, kEnd>(format);
  }
  return {nullptr, nullptr, nullptr};
}

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_AMX_KERNELS_H_
