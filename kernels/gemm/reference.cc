#include "kernels/gemm/reference.h"

#include <algorithm>
#include <cmath>

#include "kernels/gemm/rows16.h"

namespace quantd {
namespace {

// Columns that share one unpacking of the weights.
constexpr int64_t kColumns = 16;

struct RowTile {
  const uint8_t* group;  // packed row group
  int row;               // within the group
  int64_t column;        // first input row
  int64_t columns;       // 1 .. kColumns
};

// acc[c] after all blocks. The order of operations here is the contract.
template <PackedFormat kFormat>
void DotIntRow(const GemmArgs& args, const RowTile& tile, float* acc) {
  constexpr Rows16Format f = kRows16[static_cast<int>(kFormat)];
  constexpr int kPerScale = kBlockWeights / f.scale_groups;
  for (int64_t b = 0; b < Rows16Blocks(kFormat, args.k); ++b) {
    const uint8_t* const block = tile.group + b * f.bytes;
    uint8_t codes[kBlockWeights];
    UnpackCodes(kFormat, block, tile.row, codes);
    for (int64_t c = 0; c < tile.columns; ++c) {
      const QuantizedBlock& a = args.q[(tile.column + c) * args.q_stride + b];
      for (int g = 0; g < f.scale_groups; ++g) {
        int32_t sum = 0;
        for (int i = g * kPerScale; i < (g + 1) * kPerScale; ++i) {
          sum += (codes[i] - f.zero) * a.codes[i];
        }
        const float scale = ScaleAt(kFormat, block, tile.row, g) * a.scale;
        acc[c] = std::fma(static_cast<float>(sum), scale, acc[c]);
      }
      if constexpr (f.min_offset > 0) {
        const float sum = static_cast<float>(a.sums[0] + a.sums[1]) * a.scale;
        acc[c] = std::fma(MinAt(kFormat, block, tile.row), sum, acc[c]);
      }
    }
  }
}

template <PackedFormat kFormat>
void DotFloatRow(const GemmArgs& args, const RowTile& tile, float* acc) {
  for (int64_t k = 0; k < args.k; ++k) {
    const float w = FloatAt(kFormat, tile.group + k * FormatOf(kFormat).bytes, tile.row);
    for (int64_t c = 0; c < tile.columns; ++c) {
      acc[c] = std::fma(w, args.x[(tile.column + c) * args.x_stride + k], acc[c]);
    }
  }
}

template <PackedFormat kFormat>
void Reference(const GemmArgs& args) {
  const int64_t group_bytes = Rows16GroupBytes(kFormat, args.k);
  for (int64_t r = 0; r < args.rows; ++r) {
    for (int64_t column = 0; column < args.m; column += kColumns) {
      const RowTile tile{args.weights + r / kGroupRows * group_bytes,
                         static_cast<int>(r % kGroupRows), column,
                         std::min(kColumns, args.m - column)};
      float acc[kColumns] = {};
      if constexpr (kRows16[static_cast<int>(kFormat)].bits > 0) {
        DotIntRow<kFormat>(args, tile, acc);
      } else {
        DotFloatRow<kFormat>(args, tile, acc);
      }
      for (int64_t c = 0; c < tile.columns; ++c) args.y[(column + c) * args.y_stride + r] = acc[c];
    }
  }
}

}  // namespace

GemmRun ReferenceRun(PackedFormat format) {
  static constexpr GemmRun kRuns[kPackedFormats] = {
      Reference<PackedFormat::kF32>,  Reference<PackedFormat::kF16>,
      Reference<PackedFormat::kBF16>, Reference<PackedFormat::kQ8_0>,
      Reference<PackedFormat::kQ4_0>, Reference<PackedFormat::kQ4_1>,
      Reference<PackedFormat::kQ5_0>, Reference<PackedFormat::kQ5_1>,
      Reference<PackedFormat::kQ6_K>,
  };
  return kRuns[static_cast<int>(format)];
}

}  // namespace quantd
