#ifndef QUANTD_KERNELS_GEMM_REFERENCE_H_
#define QUANTD_KERNELS_GEMM_REFERENCE_H_

#include "kernels/gemm/gemm_args.h"
#include "kernels/gemm/rows32_format.h"

namespace quantd {

/// How a product is rounded. Kernels of one format and arithmetic give the same bits.
enum class Arithmetic : uint8_t {
  kFull,       ///< weights as they are, activations in F32 or int8, one fused sum in order of k
  kBf16Pairs,  ///< weights and activations in BF16, pairs of k, the second first (AVX-512 BF16)
  kBf16Tiles,  ///< likewise, of every 32 k the sums of even and of odd k apart (AMX)
};

/// The scalar kernel of a format: defines to the bit what every other kernel of the arithmetic must
/// give. It runs everywhere and takes any m. Null: no kernel multiplies the format like this.
GemmRun ReferenceRun(PackedFormat format, Arithmetic arithmetic);

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_REFERENCE_H_
