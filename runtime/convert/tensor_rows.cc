#include "runtime/convert/tensor_rows.h"

#include <utility>

#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/quantize/row_floats.h"

namespace quantd {

TensorRows::TensorRows(std::vector<std::unique_ptr<WeightSource>> matrices)
    : matrices_(std::move(matrices)), rows_of_each_(matrices_[0]->rows()) {}

absl::StatusOr<TensorRows> TensorRows::Open(const Checkpoint& checkpoint,
                                            const CheckpointTensor& tensor) {
  QUANTD_ASSIGN_OR_RETURN(auto matrices, checkpoint.OpenWeights(tensor));
  TensorRows rows(std::move(matrices));
  QUANTD_CHECK(rows.rows() == tensor.rows() && rows.cols() == tensor.cols(),
               "the matrices make up the tensor");
  return rows;
}

absl::Status TensorRows::Read(int64_t row, QuantTensor* decoded, float* out) const {
  const WeightSource& matrix = *matrices_[static_cast<size_t>(row / rows_of_each_)];
  QUANTD_RETURN_IF_ERROR(matrix.Decode(row % rows_of_each_, 1, decoded));
  const absl::Span<const int32_t> order = matrix.k_order();
  if (order.empty()) {
    RowFloats(*decoded, 0, out);
    return absl::OkStatus();
  }
  std::vector<float> stored(order.size());
  RowFloats(*decoded, 0, stored.data());
  for (size_t c = 0; c < order.size(); ++c) out[order[c]] = stored[c];
  return absl::OkStatus();
}

}  // namespace quantd
