#ifndef QUANTD_KERNELS_GEMM_CPU_KERNELS_H_
#define QUANTD_KERNELS_GEMM_CPU_KERNELS_H_

#include "kernels/gemm/gemm_args.h"
#include "kernels/gemm/rows32_format.h"

// What the files of this folder export: for each instruction set a function for each family of
// formats, which gives a format's two kernels, null when it is of another family; and how
// activations are quantized. A family is a file, so that they compile in parallel.

namespace quantd {

struct KernelRuns {
  GemmRun decode;  ///< m = 1
  GemmRun batch;   ///< m >= 2
  GemmRun wide;  ///< many rows: slabs of weights are expanded first; null where that gains nothing
};

#if defined(QUANTD_ISA_KERNELS)
namespace isa_avx2 {
KernelRuns FloatRuns(PackedFormat format);
KernelRuns BlockRuns(PackedFormat format);
KernelRuns TwoLevelRuns(PackedFormat format);
KernelRuns AffineRuns(PackedFormat format);
void QuantizeRow(const float* x, int64_t k, QuantizedBlock* blocks);
}  // namespace isa_avx2
namespace isa_avxvnni {
KernelRuns BlockRuns(PackedFormat format);
KernelRuns TwoLevelRuns(PackedFormat format);
KernelRuns AffineRuns(PackedFormat format);
}  // namespace isa_avxvnni
namespace isa_avx512vnni {
KernelRuns FloatRuns(PackedFormat format);
KernelRuns BlockRuns(PackedFormat format);
KernelRuns TwoLevelRuns(PackedFormat format);
KernelRuns AffineRuns(PackedFormat format);
void QuantizeRow(const float* x, int64_t k, QuantizedBlock* blocks);
}  // namespace isa_avx512vnni
namespace isa_avx512bf16 {
KernelRuns FloatRuns(PackedFormat format);
}  // namespace isa_avx512bf16
namespace isa_amx {
KernelRuns FloatRuns(PackedFormat format);
KernelRuns BlockRuns(PackedFormat format);
KernelRuns TwoLevelRuns(PackedFormat format);
KernelRuns AffineRuns(PackedFormat format);
}  // namespace isa_amx
#endif

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_KERNELS_H_
