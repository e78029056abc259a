#include "kernels/gemm/reference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "kernels/gemm/rows32.h"

namespace quantd {
namespace {

// Columns that share one unpacking of the weights.
constexpr int64_t kColumns = 16;

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
        partial = std::fma(static_cast<float>(total), view.Scale(tile.row, set), partial);
        if constexpr (f.has_min()) {
          partial = std::fma(view.Min(tile.row, set), static_cast<float>(activations), partial);
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
    for (int64_t c = 0; c < tile.columns; ++c) {
      const float* const x = args.x + (tile.column + c) * args.x_stride + k;
      for (int set = 0; set < view.sets(); ++set) {
        const int64_t end = std::min<int64_t>((set + 1) * args.span, args.k - k);
        float partial = 0;
        for (int64_t i = set * args.span; i < end; ++i) {
          partial = std::fma(CodeValue(kFormat, codes[i]), x[i], partial);
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

template <PackedFormat kFormat>
void Reference(const GemmArgs& args) {
  const int64_t group_bytes = Rows32GroupBytes(kFormat, args.k, args.span);
  for (int64_t r = 0; r < args.rows; ++r) {
    for (int64_t column = 0; column < args.m; column += kColumns) {
      const RowTile tile{args.weights + r / kGroupRows * group_bytes,
                         static_cast<int>(r % kGroupRows), column,
                         std::min(kColumns, args.m - column)};
      float acc[kColumns] = {};
      if constexpr (FormatOf(kFormat).is_int()) {
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
  return {Reference<static_cast<PackedFormat>(kIndices)>...};
}

}  // namespace

GemmRun ReferenceRun(PackedFormat format) {
  static constexpr auto kRuns = Runs(std::make_integer_sequence<int, kPackedFormats>());
  return kRuns[static_cast<int>(format)];
}

}  // namespace quantd
