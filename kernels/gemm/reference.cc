#include "kernels/gemm/reference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "kernels/base/float16.h"
#include "kernels/gemm/rows32.h"

namespace quantd {
namespace {

// Columns that share one unpacking of the weights.
constexpr int64_t kColumns = 16;
// Scale sets of a superblock: at least 16 k share one.
constexpr int kMaxSets = kSuperWeights / 16;

// Blocks of the superblock that begins at k.
int BlocksAt(int64_t row_k, int64_t k) {
  const int64_t rest = std::min<int64_t>(kSuperWeights, row_k - k);
  return static_cast<int>((rest + kBlockWeights - 1) / kBlockWeights);
}

struct RowTile {
  const uint8_t* group;  // packed row group
  int row;               // within the group
  int64_t column;        // first input row
  int64_t columns;       // 1 .. kColumns
};

// acc[c] after all superblocks. The order of operations here is the contract.
template <PackedFormat kFormat>
void DotIntRow(const GemmArgs& args, const RowTile& tile, float* acc) {
  constexpr Rows32Format f = FormatOf(kFormat);
  const int set_weights = f.set_weights == 0 ? args.span : f.set_weights;
  SuperView view{kFormat, tile.group, 0, args.span};
  for (int64_t k = 0; k < args.k; k += kSuperWeights, view.data += view.bytes()) {
    view.blocks = BlocksAt(args.k, k);
    uint8_t codes[kSuperWeights];
    for (int b = 0; b < view.blocks; ++b) view.Unpack(tile.row, b, codes + b * kBlockWeights);
    float scales[kMaxSets], mins[kMaxSets] = {};
    for (int set = 0; set < view.sets(); ++set) {
      scales[set] = view.Scale(tile.row, set);
      if constexpr (f.has_min()) mins[set] = view.Min(tile.row, set);
    }
    for (int64_t c = 0; c < tile.columns; ++c) {
      const QuantizedBlock& a = args.q[(tile.column + c) * args.q_stride + k / kSuperWeights];
      float partial = 0;
      for (int set = 0; set < view.sets(); ++set) {
        const int end = std::min((set + 1) * set_weights, view.blocks * kBlockWeights);
        int32_t total = 0, activations = 0;
        for (int i = set * set_weights; i < end; ++i) {
          const int shifted = a.codes[i] * (1 << a.shifts[i / kBlockWeights]);
          total += (codes[i] - f.zero) * shifted;
          activations += shifted;
        }
        partial = std::fma(static_cast<float>(total), scales[set], partial);
        if constexpr (f.has_min()) {
          partial = std::fma(mins[set], static_cast<float>(activations), partial);
        }
      }
      acc[c] = std::fma(partial, a.scale, acc[c]);
    }
  }
}

// Formats whose codes stand for floats: K in order, set by set.
template <PackedFormat kFormat>
void DotScaledRow(const GemmArgs& args, const RowTile& tile, float* acc) {
  SuperView view{kFormat, tile.group, 0, args.span};
  for (int64_t k = 0; k < args.k; k += kSuperWeights, view.data += view.bytes()) {
    view.blocks = BlocksAt(args.k, k);
    uint8_t codes[kSuperWeights];
    for (int b = 0; b < view.blocks; ++b) view.Unpack(tile.row, b, codes + b * kBlockWeights);
    float values[kSuperWeights];
    for (int i = 0; i < view.blocks * kBlockWeights; ++i) values[i] = CodeValue(kFormat, codes[i]);
    for (int64_t c = 0; c < tile.columns; ++c) {
      const float* const x = args.x + (tile.column + c) * args.x_stride + k;
      for (int set = 0; set < view.sets(); ++set) {
        const int64_t end = std::min<int64_t>((set + 1) * args.span, args.k - k);
        float partial = 0;
        for (int64_t i = set * args.span; i < end; ++i) {
          partial = std::fma(values[i], x[i], partial);
        }
        acc[c] = std::fma(partial, view.Scale(tile.row, set), acc[c]);
      }
    }
  }
}

template <PackedFormat kFormat>
void DotFloatRow(const GemmArgs& args, const RowTile& tile, float* acc) {
  for (int64_t k = 0; k < args.k; ++k) {
    const float w =
        FloatAt(kFormat, tile.group + k * kGroupRows * FormatOf(kFormat).bits / 8, tile.row);
    for (int64_t c = 0; c < tile.columns; ++c) {
      acc[c] = std::fma(w, args.x[(tile.column + c) * args.x_stride + k], acc[c]);
    }
  }
}

// BF16 units read subnormal numbers as zeros and write none.
float Flush(float value) { return std::fpclassify(value) == FP_SUBNORMAL ? value * 0.0f : value; }

float FlushedFma(float a, float b, float c) { return Flush(std::fma(Flush(a), Flush(b), c)); }

// Weights k, k + 1 ... of a row, rounded to BF16; zeros past its end.
template <PackedFormat kFormat>
float RoundedWeight(const GemmArgs& args, const RowTile& tile, int64_t k) {
  if (k >= args.k) return 0;
  const uint8_t* const values = tile.group + k * kGroupRows * FormatOf(kFormat).bits / 8;
  return BFloat16ToFloat(FloatToBFloat16(FloatAt(kFormat, values, tile.row)));
}

// The definition of VDPBF16PS (Intel SDM volume 2).
template <PackedFormat kFormat>
void DotPairsRow(const GemmArgs& args, const RowTile& tile, float* acc) {
  for (int64_t k = 0; k < args.k; k += 2) {
    const float even = RoundedWeight<kFormat>(args, tile, k);
    const float odd = RoundedWeight<kFormat>(args, tile, k + 1);
    for (int64_t c = 0; c < tile.columns; ++c) {
      const uint16_t* const x = args.bf16 + (tile.column + c) * args.bf16_stride + k;
      acc[c] = FlushedFma(odd, BFloat16ToFloat(x[1]), acc[c]);
      acc[c] = FlushedFma(even, BFloat16ToFloat(x[0]), acc[c]);
    }
  }
}

// The definition of TDPBF16PS (Intel SDM volume 2).
template <PackedFormat kFormat>
void DotTilesRow(const GemmArgs& args, const RowTile& tile, float* acc) {
  constexpr int64_t kTile = 32;
  for (int64_t first = 0; first < args.k; first += kTile) {
    float even[kColumns] = {}, odd[kColumns] = {};
    for (int64_t k = first; k < first + kTile; k += 2) {
      const float weights[] = {RoundedWeight<kFormat>(args, tile, k),
                               RoundedWeight<kFormat>(args, tile, k + 1)};
      for (int64_t c = 0; c < tile.columns; ++c) {
        const uint16_t* const x = args.bf16 + (tile.column + c) * args.bf16_stride + k;
        even[c] = FlushedFma(weights[0], BFloat16ToFloat(x[0]), even[c]);
        odd[c] = FlushedFma(weights[1], BFloat16ToFloat(x[1]), odd[c]);
      }
    }
    for (int64_t c = 0; c < tile.columns; ++c) acc[c] = Flush(acc[c] + Flush(even[c] + odd[c]));
  }
}

template <PackedFormat kFormat, Arithmetic kArithmetic>
void Reference(const GemmArgs& args) {
  const int64_t group_bytes = Rows32GroupBytes(kFormat, args.k, args.span);
  for (int64_t r = 0; r < args.rows; ++r) {
    for (int64_t column = 0; column < args.m; column += kColumns) {
      const RowTile tile{args.weights + r / kGroupRows * group_bytes,
                         static_cast<int>(r % kGroupRows), column,
                         std::min(kColumns, args.m - column)};
      float acc[kColumns] = {};
      if constexpr (kArithmetic == Arithmetic::kBf16Pairs) {
        DotPairsRow<kFormat>(args, tile, acc);
      } else if constexpr (kArithmetic == Arithmetic::kBf16Tiles) {
        DotTilesRow<kFormat>(args, tile, acc);
      } else if constexpr (FormatOf(kFormat).is_int()) {
        DotIntRow<kFormat>(args, tile, acc);
      } else if constexpr (FormatOf(kFormat).is_float()) {
        DotFloatRow<kFormat>(args, tile, acc);
      } else {
        DotScaledRow<kFormat>(args, tile, acc);
      }
      for (int64_t c = 0; c < tile.columns; ++c) args.y[(column + c) * args.y_stride + r] = acc[c];
    }
  }
}

template <int... kIndices>
constexpr std::array<GemmRun, kPackedFormats> Runs(std::integer_sequence<int, kIndices...>) {
  return {Reference<static_cast<PackedFormat>(kIndices), Arithmetic::kFull>...};
}

}  // namespace

GemmRun ReferenceRun(PackedFormat format, Arithmetic arithmetic) {
  if (arithmetic != Arithmetic::kFull) {
    const bool pairs = arithmetic == Arithmetic::kBf16Pairs;
    if (format == PackedFormat::kF16) {
      return pairs ? Reference<PackedFormat::kF16, Arithmetic::kBf16Pairs>
                   : Reference<PackedFormat::kF16, Arithmetic::kBf16Tiles>;
    }
    if (format != PackedFormat::kBF16) return nullptr;
    return pairs ? Reference<PackedFormat::kBF16, Arithmetic::kBf16Pairs>
                 : Reference<PackedFormat::kBF16, Arithmetic::kBf16Tiles>;
  }
  static constexpr auto kRuns = Runs(std::make_integer_sequence<int, kPackedFormats>());
  return kRuns[static_cast<int>(format)];
}

}  // namespace quantd
