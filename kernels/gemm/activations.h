#ifndef QUANTD_KERNELS_GEMM_ACTIVATIONS_H_
#define QUANTD_KERNELS_GEMM_ACTIVATIONS_H_

#include <cstdint>

#include "absl/types/span.h"
#include "kernels/base/thread_pool.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_args.h"

namespace quantd {

/// The scalar QuantizeRun (gemm_args.h): what every other must agree with to the bit.
void QuantizeRow(const float* x, int64_t k, QuantizedBlock* blocks);

/// Rounds x[k] to BF16, padded with zeros: out[Bf16Stride(k)].
void RoundRow(const float* x, int64_t k, uint16_t* out);

/// The other forms of an Activations, made when first asked for.
class ActivationAccess {
 public:
  /// [x.m(), QuantizedBlocks(x.k())]; valid until the next x.Set.
  static const QuantizedBlock* Quantized(Activations& x, QuantizeRun quantize, ThreadPool& pool);
  /// [x.m(), Bf16Stride(x.k())]; valid until the next x.Set.
  static const uint16_t* Rounded(Activations& x, ThreadPool& pool);
  /// Rows [first, first + count) with feature order[c] in column c; valid until the next x.Set.
  static Activations& Reordered(Activations& x, int64_t first, int64_t count,
                                absl::Span<const int32_t> order, ThreadPool& pool);
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_ACTIVATIONS_H_
