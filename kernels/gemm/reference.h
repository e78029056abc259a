#ifndef QUANTD_KERNELS_GEMM_REFERENCE_H_
#define QUANTD_KERNELS_GEMM_REFERENCE_H_

#include "kernels/gemm/gemm_args.h"
#include "kernels/gemm/rows32_format.h"

namespace quantd {

/// The scalar kernel of a format: defines to the bit what every other kernel must give. It runs
/// everywhere and takes any m.
GemmRun ReferenceRun(PackedFormat format);

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_REFERENCE_H_
