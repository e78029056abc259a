#ifndef QUANTD_KERNELS_MEASURE_CPU_PEAKS_H_
#define QUANTD_KERNELS_MEASURE_CPU_PEAKS_H_

#include <stdint.h>

// Loops of nothing but multiplications, for each instruction set: the most that a thread can do.
// Plain declarations only: files compiled for one instruction set include this.

namespace quantd {

inline constexpr int kPeakSums = 12;  ///< independent ones, to hide the latency of an instruction

/// Runs `rounds` times kPeakSums multiplications of vectors. The empty asm in each hides from the
/// compiler that the result is not used.
using PeakLoop = void (*)(int64_t rounds);

#if defined(QUANTD_ISA_KERNELS)
namespace isa_avx2 {
void MultiplyBytes(int64_t rounds);   ///< vpmaddubsw, vpmaddwd, vpaddd on 32 bytes
void MultiplyFloats(int64_t rounds);  ///< fma on 8 floats
}  // namespace isa_avx2
namespace isa_avxvnni {
void MultiplyBytes(int64_t rounds);  ///< vpdpbusd on 32 bytes
}
namespace isa_avx512vnni {
void MultiplyBytes(int64_t rounds);   ///< vpdpbusd on 64 bytes
void MultiplyFloats(int64_t rounds);  ///< fma on 16 floats
}  // namespace isa_avx512vnni
namespace isa_avx512bf16 {
void MultiplyPairs(int64_t rounds);  ///< vdpbf16ps on 32 pairs
}
namespace isa_amx {
void MultiplyBytes(int64_t rounds);  ///< tdpbssd on 16 x 64 by 64 x 16 bytes
void MultiplyPairs(int64_t rounds);  ///< tdpbf16ps on 16 x 32 by 32 x 16
}  // namespace isa_amx
#endif

}  // namespace quantd

#endif  // QUANTD_KERNELS_MEASURE_CPU_PEAKS_H_
