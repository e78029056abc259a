#ifndef QUANTD_KERNELS_BASE_WEIGHT_SOURCE_H_
#define QUANTD_KERNELS_BASE_WEIGHT_SOURCE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "kernels/base/quant_format.h"

namespace quantd {

/// Canonical rows of a weight matrix [n, k]: the one form that every scheme decodes into and every
/// kernel packs from. Held only while a slab of rows is being packed, so clarity wins over size:
/// one byte per code.
struct QuantTensor {
  QuantFormat format;
  int64_t rows = 0;  ///< rows held here (a slab of the matrix)
  int64_t cols = 0;  ///< K

  std::vector<float> values;   ///< [rows, cols], float formats only
  std::vector<uint8_t> codes;  ///< [rows, cols], integer formats, unsigned 0 .. 2^bits - 1
  std::vector<float> scales;   ///< [rows, cols / group], exact in format.scale
  std::vector<float> mins;     ///< [rows, cols / group] when format.zero is kMin

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
  virtual int64_t cols() const = 0;  ///< K, in features; a multiple of format().group

  /// Decodes rows [row_begin, row_begin + row_count) into *out, reusing its buffers.
  /// Errors: DATA_LOSS naming the tensor when the bytes are no valid encoding.
  virtual absl::Status Decode(int64_t row_begin, int64_t row_count, QuantTensor* out) const = 0;
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_WEIGHT_SOURCE_H_
