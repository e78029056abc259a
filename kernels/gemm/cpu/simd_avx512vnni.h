#ifndef QUANTD_KERNELS_GEMM_CPU_SIMD_AVX512VNNI_H_
#define QUANTD_KERNELS_GEMM_CPU_SIMD_AVX512VNNI_H_

#include "kernels/gemm/cpu/simd_zmm.h"

namespace quantd::isa_avx512vnni {
namespace {  // NOLINT(google-build-namespaces): each file has its own, compiled with its flags

struct Simd : ZmmBase<Simd> {};

}  // namespace
}  // namespace quantd::isa_avx512vnni

#endif  // QUANTD_KERNELS_GEMM_CPU_SIMD_AVX512VNNI_H_
