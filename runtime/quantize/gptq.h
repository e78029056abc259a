#ifndef QUANTD_RUNTIME_QUANTIZE_GPTQ_H_
#define QUANTD_RUNTIME_QUANTIZE_GPTQ_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/base/thread_pool.h"
#include "kernels/base/weight_source.h"
#include "runtime/quantize/affine_group.h"

namespace quantd {

struct GptqOptions {
  AffineGrid grid;
  int64_t group = 128;  ///< along K, a divisor of it; -1: the whole row
  /// Quantizes features of large inputs first, when most of the others can still make up for their
  /// errors. Groups are then scattered over the features (k_order).
  bool act_order = false;
  /// What is added to the diagonal of X^T X, in shares of its mean.
  double damping = 0.01;
};

/// GPTQ (Frantar et al. 2022): rounds the weights of a row one after the other and lets those that
/// follow make up for the error, so that the products with the inputs X of a text change least:
/// min ||X (W - W')^T||. What depends on the inputs alone is prepared once, for all matrices that
/// multiply them. Immutable, thread-safe; borrows nothing.
class GptqSolver {
 public:
  /// `products` is X^T X [k, k], of which features that were always 0 lose their weights. Errors:
  /// INVALID_ARGUMENT if it is not finite.
  static absl::StatusOr<GptqSolver> Create(absl::Span<const float> products, int64_t k,
                                           const GptqOptions& options, ThreadPool& pool);

  /// Which feature column c of the result is; empty without act-order.
  const std::vector<int32_t>& k_order() const { return k_order_; }

  /// Quantizes weights [rows, k] into *out, which gets the format AffineFormat(bits, group) and has
  /// its columns in k_order(). The result does not depend on the number of threads.
  void Quantize(const float* weights, int64_t rows, ThreadPool& pool, QuantTensor* out) const;

 private:
  class Slab;
  GptqSolver(const GptqOptions& options, int64_t k) : options_(options), k_(k) {}

  GptqOptions options_;
  int64_t k_;
  std::vector<int32_t> k_order_;
  std::vector<bool> dead_;         ///< by feature: its input was always 0
  std::vector<float> factor_;      ///< U of InverseFactor, columns in k_order
  std::vector<float> importance_;  ///< by column: what an error of its weight costs
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_QUANTIZE_GPTQ_H_
