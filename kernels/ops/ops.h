#ifndef QUANTD_KERNELS_OPS_OPS_H_
#define QUANTD_KERNELS_OPS_OPS_H_

#include <cstdint>
#include <vector>

#include "kernels/base/isa.h"

namespace quantd {

/// Element-wise and row-wise operations of one instruction set. Every function works on one row
/// or a flat range, so that callers split rows over threads; results do not depend on the split.
/// Pointers need no alignment; in and out may be equal unless said otherwise. NaN inputs give NaN
/// outputs, so that a caller can tell at the end that something went wrong.
struct OpTable {
  Isa isa;
  const char* name;

  /// out[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i], i < n (Zhang & Sennrich 2019).
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t n, float* out);

  /// Rotates one head vector x[head_dim] in place (Su et al. 2021). cos, sin: [rope_dim / 2] for
  /// this position. adjacent: pairs (2i, 2i+1), else (i, i + rope_dim / 2). Elements from rope_dim
  /// on stay as they are.
  void (*rope)(float* x, const float* cos, const float* sin, int64_t rope_dim, bool adjacent);

  /// out[i] = silu(gate[i]) * up[i], silu(v) = v / (1 + exp(-v)) (Shazeer 2020).
  void (*swiglu)(const float* gate, const float* up, int64_t n, float* out);

  /// out[i] = gelu(gate[i]) * up[i], gelu(v) = v / 2 (1 + tanh(sqrt(2 / pi) (v + 0.044715 v^3)))
  /// (Shazeer 2020; Hendrycks & Gimpel 2016, their approximation).
  void (*geglu)(const float* gate, const float* up, int64_t n, float* out);

  /// x[i] = cap tanh(x[i] / cap), cap > 0: x where it is small, never beyond the cap.
  void (*soft_cap)(float* x, float cap, int64_t n);

  /// x[i] += y[i].
  void (*add)(float* x, const float* y, int64_t n);

  /// x = softmax(x) over n values, with the maximum subtracted first. n >= 1. Entries of
  /// -infinity become 0, at least one must be above it; a NaN anywhere makes every entry NaN.
  void (*softmax)(float* x, int64_t n);
};

/// All op tables in this build, weakest ISA first; the first is the scalar reference.
const std::vector<const OpTable*>& OpTables();

}  // namespace quantd

#endif  // QUANTD_KERNELS_OPS_OPS_H_
