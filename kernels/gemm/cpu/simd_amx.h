#ifndef QUANTD_KERNELS_GEMM_CPU_SIMD_AMX_H_
#define QUANTD_KERNELS_GEMM_CPU_SIMD_AMX_H_

#include "kernels/gemm/cpu/amx_kernels.h"

namespace quantd::isa_amx {
namespace {  // NOLINT(google-build-namespaces): each file has its own, compiled with its flags

struct Simd : Bf16Base<Simd> {};

}  // namespace
}  // namespace quantd::isa_amx

#endif  // QUANTD_KERNELS_GEMM_CPU_SIMD_AMX_H_
