#ifndef QUANTD_RUNTIME_QUANTIZE_INVERSE_FACTOR_H_
#define QUANTD_RUNTIME_QUANTIZE_INVERSE_FACTOR_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/base/thread_pool.h"

namespace quantd {

/// The upper triangular U [n, n] with U^T U = H^-1, of a symmetric positive definite H [n, n]; both
/// row-major, U zero below its diagonal. In double precision, over the pool's threads; takes n^3
/// multiplications and 12 n^2 bytes. The result does not depend on the number of threads. Errors:
/// INVALID_ARGUMENT if H is not positive definite or not finite.
absl::StatusOr<std::vector<float>> InverseFactor(std::vector<double> h, int64_t n,
                                                 ThreadPool& pool);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_QUANTIZE_INVERSE_FACTOR_H_
