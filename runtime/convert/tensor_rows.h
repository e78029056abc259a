#ifndef QUANTD_RUNTIME_CONVERT_TENSOR_ROWS_H_
#define QUANTD_RUNTIME_CONVERT_TENSOR_ROWS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/base/weight_source.h"
#include "runtime/model/checkpoint.h"

namespace quantd {

/// The rows of a matrix of a checkpoint as floats, whatever they are stored as; those of a stack of
/// matrices (experts) follow one another. The checkpoint must outlive it. Immutable, thread-safe.
class TensorRows {
 public:
  /// Errors: those of Checkpoint::OpenWeights.
  static absl::StatusOr<TensorRows> Open(const Checkpoint& checkpoint,
                                         const CheckpointTensor& tensor);

  int64_t rows() const { return rows_of_each_ * static_cast<int64_t>(matrices_.size()); }
  int64_t cols() const { return matrices_[0]->cols(); }

  /// Writes row `row`, one float for each of the cols() input features, in their order whatever
  /// that of the file. `decoded` is a buffer. Errors: DATA_LOSS naming the tensor.
  absl::Status Read(int64_t row, QuantTensor* decoded, float* out) const;

 private:
  explicit TensorRows(std::vector<std::unique_ptr<WeightSource>> matrices);

  std::vector<std::unique_ptr<WeightSource>> matrices_;  ///< all of one size
  int64_t rows_of_each_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_TENSOR_ROWS_H_
