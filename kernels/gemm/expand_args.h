#ifndef QUANTD_KERNELS_GEMM_EXPAND_ARGS_H_
#define QUANTD_KERNELS_GEMM_EXPAND_ARGS_H_

#include <stdint.h>

#include "kernels/gemm/rows32_format.h"

// What an expander receives. Plain declarations only, as in gemm_args.h.

namespace quantd {

/// A packed row group that is decoded into floats (naive.h).
struct ExpandArgs {
  PackedFormat packed;
  const Rows32Format* format;   ///< of `packed`
  const signed char* integers;  ///< [16], what codes of Codes::kIntTable stand for
  const float* floats;          ///< [16], what codes of Codes::kFloatTable stand for
  int span;                     ///< as in GemmArgs
  int64_t k;
  const uint8_t* group;
  float* out;  ///< [k, 32]: the F32 form of the same row group
};

using ExpandRun = void (*)(const ExpandArgs& args);

#if defined(QUANTD_ISA_KERNELS)
namespace isa_avx2 {
void ExpandGroup(const ExpandArgs& args);
}
namespace isa_avx512vnni {
void ExpandGroup(const ExpandArgs& args);
}
#endif

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_EXPAND_ARGS_H_
