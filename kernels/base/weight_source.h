#ifndef QUANTD_KERNELS_BASE_WEIGHT_SOURCE_H_
#define QUANTD_KERNELS_BASE_WEIGHT_SOURCE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/base/quant_format.h"

namespace quantd {

/// Canonical rows of a weight matrix [n, k]: the one form that every scheme decodes into and every
/// kernel packs from. Held only while a slab of rows is being packed, so clarity wins over size:
/// one byte per code. With g = format.groups(cols), a group being cols / g consecutive weights:
///
/// | format              | weight (r, c), in group j                                    |
/// |---------------------|--------------------------------------------------------------|
/// | float               | values[r, c]                                                 |
/// | kMidpoint           | Scale(r, j) * (codes[r, c] - 2^(bits-1))                     |
/// | kMin                | Scale(r, j) * codes[r, c] + Min(r, j)                        |
/// | kCode               | Scale(r, j) * (codes[r, c] - zeros[r, j])                    |
/// | kTable, kF8E4M3     | Scale(r, j) * value of codes[r, c]                           |
///
/// Scale and Min are scales[r, j] and mins[r, j]; with two levels scales[r, s] * sub_scales[r, j]
/// and mins[r, s] * sub_mins[r, j], s being the super-group of group j.
struct QuantTensor {
  QuantFormat format;
  int64_t rows = 0;  ///< rows held here (a slab of the matrix)
  int64_t cols = 0;  ///< K, a multiple of format.k_multiple()

  std::vector<float> values;       ///< [rows, cols], float formats only
  std::vector<uint8_t> codes;      ///< [rows, cols], all others; unsigned 0 .. 2^bits - 1
  std::vector<float> scales;       ///< [rows, g]; two levels: [rows, cols / kSuperGroup]
  std::vector<float> mins;         ///< as scales, when format.zero is kMin
  std::vector<uint8_t> zeros;      ///< [rows, g] when format.zero is kCode
  std::vector<int8_t> sub_scales;  ///< [rows, g], two levels only
  std::vector<uint8_t> sub_mins;   ///< [rows, g], two levels with kMin only

  /// Gives the buffers the sizes that `format`, `rows` and `cols` ask for. Contents are
  /// unspecified.
  void Resize(const QuantFormat& new_format, int64_t new_rows, int64_t new_cols);

  float Scale(int64_t row, int64_t group) const;
  /// Only when format.zero is kMin.
  float Min(int64_t row, int64_t group) const;
  /// Weight (row, col) in float: what every kernel approximates. Slow; for tests and references.
  float At(int64_t row, int64_t col) const;
};

/// A weight matrix somewhere (a mapped file, a generator) that can be decoded by slabs of rows.
/// Thread-safe: Decode may be called from several threads. The underlying bytes must outlive it.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  virtual const QuantFormat& format() const = 0;
  virtual int64_t rows() const = 0;  ///< N, out features
  virtual int64_t cols() const = 0;  ///< K, in features; a multiple of format().k_multiple()

  /// Which input feature column c of the decoded matrix multiplies, for act-order schemes whose
  /// weights of one group lie scattered along K: a permutation of 0 .. cols - 1 that makes groups
  /// contiguous. Empty: column c is feature c.
  virtual absl::Span<const int32_t> k_order() const { return {}; }

  /// From which magnitude on an activation is multiplied in float, beside the product of the others
  /// in int8, as LLM.int8() wants it; 0: none is. Of format kInt8 only.
  virtual float outlier_threshold() const { return 0; }

  /// Decodes rows [row_begin, row_begin + row_count) into *out, reusing its buffers.
  /// Errors: DATA_LOSS naming the tensor when the bytes are no valid encoding.
  virtual absl::Status Decode(int64_t row_begin, int64_t row_count, QuantTensor* out) const = 0;
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_WEIGHT_SOURCE_H_
