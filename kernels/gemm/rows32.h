#ifndef QUANTD_KERNELS_GEMM_ROWS32_H_
#define QUANTD_KERNELS_GEMM_ROWS32_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/base/quant_format.h"
#include "kernels/base/weight_source.h"
#include "kernels/gemm/rows32_format.h"

// Scalar access to WeightLayout::kRows32: packing, and what the reference kernel and DecodeRow
// read back. The only code beside the vector kernels that knows where a bit lies.

namespace quantd {

/// A PackedFormat with the name that reports give it, and a format that is packed so.
struct PackedEntry {
  PackedFormat packed;
  std::string name;  ///< "Q4_0", "INT4-affine"
  QuantFormat example;
};

/// Every PackedFormat once, in the order of reports.
const std::vector<PackedEntry>& PackedEntries();
const PackedEntry& EntryOf(PackedFormat packed);

/// Nothing when the format has no kRows32 form.
std::optional<PackedFormat> ToPackedFormat(const QuantFormat& format);

/// The k that share a scale set in a packed weight of the format: its group, halved to the largest
/// power of two up to 256 that divides it. Groups of other sizes repeat their scale.
int PackedSpan(const QuantFormat& format);

/// Bytes of the whole matrix [n, k].
int64_t Rows32Bytes(PackedFormat format, int64_t n, int64_t k, int span);

/// Packs rows [first, first + 32) of `rows` into one row group; rows it does not have become
/// zero weights. `out`: Rows32GroupBytes zeroed bytes.
void PackRows32(PackedFormat format, const QuantTensor& rows, int64_t first, uint8_t* out);

/// One superblock of an integer, table or E4M3 format in a packed row group.
struct SuperView {
  PackedFormat format;
  const uint8_t* data;
  int blocks;  ///< 1 .. 8
  int span;

  int sets() const { return FormatOf(format).sets(blocks, span); }
  int64_t bytes() const { return FormatOf(format).super_bytes(blocks, span); }
  /// Scale and min (0 without) of one row and set, two levels multiplied out.
  float Scale(int row, int set) const;
  float Min(int row, int set) const;
  /// The min as it is stored: a zero point, or the lower of two levels.
  float StoredMin(int row, int set) const;
  /// Codes of one row of a block, in order of k; tables of integers looked up, plus kTableOffset.
  void Unpack(int row, int block, uint8_t codes[kBlockWeights]) const;
};

/// Decodes one row of a packed row group into out[k].
void DecodePackedRow(PackedFormat format, int span, int64_t k, const uint8_t* group, int row,
                     float* out);

/// Decodes the weights at one k of the 32 rows of a packed row group of k weights per row, of a
/// format of bytes with an F32 scale each (INT8): out[32].
void DecodePackedColumn(PackedFormat format, int span, int64_t k, const uint8_t* group, int64_t at,
                        float* out);

/// Value of one row of the 32 values of a k, for float formats.
float FloatAt(PackedFormat format, const uint8_t* values, int row);
/// What a code of a float table, or an E4M3 code, stands for.
float CodeValue(PackedFormat format, uint8_t code);

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_ROWS32_H_
