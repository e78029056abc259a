#ifndef QUANTD_KERNELS_GEMM_ACTIVATIONS_H_
#define QUANTD_KERNELS_GEMM_ACTIVATIONS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "kernels/base/thread_pool.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_args.h"
#include "kernels/gemm/outliers.h"

namespace quantd {

/// The scalar QuantizeRun (gemm_args.h): what every other must agree with to the bit.
void QuantizeRow(const float* x, int64_t k, QuantizedBlock* blocks);

/// Rounds x[k] to BF16, padded with zeros: out[Bf16Stride(k)].
void RoundRow(const float* x, int64_t k, uint16_t* out);

/// Rows of activations in int8.
struct QuantizedRows {
  const QuantizedBlock* blocks;  ///< [m, QuantizedBlocks(k)]
  /// What `blocks` have zeros for, of each row; empty: nothing, in any row.
  absl::Span<const std::vector<Outlier>> outliers;
};

/// The other forms of an Activations, made when first asked for.
class ActivationAccess {
 public:
  /// Makes the rows, if that is still to be done.
  static void Make(Activations& x, ThreadPool& pool);
  /// Leaves out what is finite and of at least `threshold` in magnitude, if that is not 0. Valid
  /// until the next x.Set.
  static QuantizedRows Quantized(Activations& x, float threshold, QuantizeRun quantize,
                                 ThreadPool& pool);
  /// [x.m(), Bf16Stride(x.k())]; valid until the next x.Set.
  static const uint16_t* Rounded(Activations& x, ThreadPool& pool);
  /// Rows [first, first + count) with feature order[c] in column c; valid until the next x.Set.
  static Activations& Reordered(Activations& x, int64_t first, int64_t count,
                                absl::Span<const int32_t> order, ThreadPool& pool);

 private:
  /// Makes another form of the rows, `stride` elements of T each, in `buffer`, which only grows:
  /// convert(i, place of row i).
  template <class T, class F>
  static T* Convert(Activations& x, int64_t stride, ThreadPool& pool, AlignedBuffer* buffer,
                    const F& convert);
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_ACTIVATIONS_H_
