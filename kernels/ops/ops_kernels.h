#ifndef QUANTD_KERNELS_OPS_OPS_KERNELS_H_
#define QUANTD_KERNELS_OPS_OPS_KERNELS_H_

#include <stdint.h>

// Plain declarations of every op of every instruction set; ops.h says what each does. Separate
// from ops.h because ISA units may include neither the standard library nor anything that does.

#define QUANTD_DECLARE_OPS()                                                                \
  void RmsNorm(const float* x, const float* weight, float eps, int64_t n, float* out);      \
  void Rope(float* x, const float* cos, const float* sin, int64_t rope_dim, bool adjacent); \
  void Swiglu(const float* gate, const float* up, int64_t n, float* out);                   \
  void Geglu(const float* gate, const float* up, int64_t n, float* out);                    \
  void SoftCap(float* x, float cap, int64_t n);                                             \
  void Add(float* x, const float* y, int64_t n);                                            \
  void Softmax(float* x, int64_t n)

namespace quantd::isa_reference {
QUANTD_DECLARE_OPS();
}  // namespace quantd::isa_reference

namespace quantd::isa_avx2 {
QUANTD_DECLARE_OPS();
}  // namespace quantd::isa_avx2

namespace quantd::isa_avx512vnni {
QUANTD_DECLARE_OPS();
}  // namespace quantd::isa_avx512vnni

#undef QUANTD_DECLARE_OPS

#endif  // QUANTD_KERNELS_OPS_OPS_KERNELS_H_
