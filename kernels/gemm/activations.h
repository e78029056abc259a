#ifndef QUANTD_KERNELS_GEMM_ACTIVATIONS_H_
#define QUANTD_KERNELS_GEMM_ACTIVATIONS_H_

#include <cstdint>

#include "kernels/base/thread_pool.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_args.h"

namespace quantd {

/// Quantizes x[k] into blocks[ceil(k / 32)]; the last block is padded with zeros. Codes are
/// x * (127 / max|x|) rounded to nearest, ties to even. Blocks of (nearly) nothing, max|x| below
/// 2^-100, become zeros: 127 / max|x| must stay finite.
void QuantizeRow(const float* x, int64_t k, QuantizedBlock* blocks);

/// The int8 form of an Activations, made when first asked for.
class ActivationAccess {
 public:
  /// [x.m(), ceil(x.k() / 32)] blocks; valid until the next x.Set.
  static const QuantizedBlock* Quantized(Activations& x, ThreadPool& pool);
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_ACTIVATIONS_H_
