#ifndef QUANTD_KERNELS_GEMM_ROWS16_H_
#define QUANTD_KERNELS_GEMM_ROWS16_H_

#include <cstdint>
#include <optional>

#include "kernels/base/quant_format.h"
#include "kernels/base/weight_source.h"
#include "kernels/gemm/rows16_format.h"

// Scalar access to WeightLayout::kRows16: packing, and what the reference kernel and DecodeRow
// read back. The only code beside the vector kernels that knows where a bit lies.

namespace quantd {

/// Nothing when the format has no kRows16 form.
std::optional<PackedFormat> ToPackedFormat(const QuantFormat& format);

inline const Rows16Format& FormatOf(PackedFormat format) {
  return kRows16[static_cast<int>(format)];
}

/// Blocks along K, the last one padded with weights of value zero.
int64_t Rows16Blocks(PackedFormat format, int64_t k);
/// Bytes of one group of 16 rows; of the whole matrix [n, k].
int64_t Rows16GroupBytes(PackedFormat format, int64_t k);
int64_t Rows16Bytes(PackedFormat format, int64_t n, int64_t k);

/// Packs rows [first, first + 16) of `rows` into one row group; rows it does not have become
/// zero weights. `out`: Rows16GroupBytes zeroed bytes.
void PackRows16(PackedFormat format, const QuantTensor& rows, int64_t first, uint8_t* out);

/// Codes of one row of an integer block, in order of k.
void UnpackCodes(PackedFormat format, const uint8_t* block, int row, uint8_t codes[kBlockWeights]);
/// Scale of one row and scale group of an integer block; min of one row, 0 for formats without.
float ScaleAt(PackedFormat format, const uint8_t* block, int row, int scale_group);
float MinAt(PackedFormat format, const uint8_t* block, int row);
/// Value of one row of a float block.
float FloatAt(PackedFormat format, const uint8_t* block, int row);

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_ROWS16_H_
