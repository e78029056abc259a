#ifndef QUANTD_KERNELS_GEMM_SELFCHECK_H_
#define QUANTD_KERNELS_GEMM_SELFCHECK_H_

#include "kernels/gemm/kernel_table.h"

namespace quantd {

/// Runs `kernel` on a small problem with tails in N and K, once for each kind of m it treats
/// differently, and compares every output with the scalar reference bit for bit, by a hash of 64
/// bits for each row. `spoil` falsifies one output first (tests of quarantine).
bool AgreesWithReference(const GemmKernel& kernel, bool spoil);

/// Compares with the scalar quantizer, bit for bit, on rows with tails, zeros, extremes and NaN.
bool AgreesWithReference(const Quantizer& quantizer);

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_SELFCHECK_H_
