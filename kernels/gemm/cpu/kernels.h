#ifndef QUANTD_KERNELS_GEMM_CPU_KERNELS_H_
#define QUANTD_KERNELS_GEMM_CPU_KERNELS_H_

#include "kernels/gemm/gemm_args.h"
#include "kernels/gemm/rows16_format.h"

// What the files of this folder export, one per instruction set: their two functions for every
// format, indexed by PackedFormat; null where a weaker instruction set's are as good.

namespace quantd {

struct RunPair {
  GemmRun decode;  ///< m = 1
  GemmRun batch;   ///< m >= 2
};

#if defined(__x86_64__)
namespace isa_avx2 {
extern const RunPair kRuns[kPackedFormats];
}
namespace isa_avxvnni {
extern const RunPair kRuns[kPackedFormats];
}
namespace isa_avx512vnni {
extern const RunPair kRuns[kPackedFormats];
}
#endif

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_KERNELS_H_
