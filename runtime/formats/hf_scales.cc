#include "runtime/formats/hf_scales.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/base/float16.h"
#include "kernels/base/status_macros.h"

namespace quantd {

float ScaleView::operator[](int64_t index) const {
  switch (tensor_.dtype) {
    case Dtype::kF32:
      return LoadElement<float>(tensor_, index);
    case Dtype::kF16:
      return HalfToFloat(LoadElement<uint16_t>(tensor_, index));
    case Dtype::kBF16:
      return BFloat16ToFloat(LoadElement<uint16_t>(tensor_, index));
    default: {  // F8_E8M0: a biased exponent, 255 being NaN
      const uint8_t exponent = tensor_.data[index];
      return exponent == 255 ? std::nanf("") : std::ldexp(1.0f, exponent - 127);
    }
  }
}

absl::StatusOr<ScaleGrid> ScaleGrid::Of(const HfModule& module, const SafetensorsTensor& tensor,
                                        int64_t n, int64_t k,
                                        std::optional<std::pair<int64_t, int64_t>> block) {
  const auto& shape = tensor.shape;
  const bool per_row = (shape.size() == 1 || shape.size() == 2) && shape[0] == n;
  ScaleGrid grid(tensor);
  grid.block_cols_ = k;
  if (tensor.elements() == 1) {
    grid.block_rows_ = n;
  } else if (block && shape.size() == 2 && shape[0] == (n - 1) / block->first + 1 &&
             shape[1] == (k - 1) / block->second + 1) {
    grid.block_rows_ = block->first;
    grid.block_cols_ = block->second;
    grid.grid_cols_ = shape[1];
  } else if (per_row && (shape.size() == 1 || (shape[1] > 0 && k % shape[1] == 0))) {
    grid.grid_cols_ = shape.size() == 1 ? 1 : shape[1];
    grid.block_cols_ = k / grid.grid_cols_;
  } else {
    return tensor.Error(absl::StrCat("shape [", absl::StrJoin(shape, ", "),
                                     "] gives no scales to a weight of ", n, " x ", k));
  }
  QUANTD_ASSIGN_OR_RETURN(grid.group_,
                          GroupLength(module, k, grid.grid_cols_ == 1 ? -1 : grid.block_cols_));
  return grid;
}

absl::Status ScaleGrid::Fill(int64_t row_begin, QuantTensor* out, float divisor) const {
  const int64_t groups = out->format.groups(out->cols), length = out->cols / groups;
  bool finite = true;
  for (int64_t row = 0; row < out->rows; ++row) {
    for (int64_t group = 0; group < groups; ++group) {
      const float scale = view_[Index(row_begin + row, group * length)] / divisor;
      finite &= std::isfinite(scale);
      out->scales[row * groups + group] = scale;
    }
  }
  if (finite) return absl::OkStatus();
  return view_.tensor().Error("holds a scale that is NaN or infinite; the file is corrupt");
}

absl::StatusOr<uint16_t> GroupLength(const HfModule& module, int64_t k, int64_t period) {
  if (period == -1) return 0;
  const int64_t group = std::gcd(k, period);
  if (group % 16 == 0 && group <= std::numeric_limits<uint16_t>::max()) {
    return static_cast<uint16_t>(group);
  }
  return module.Unsupported(
      absl::StrCat("scales of ", period, " weights in rows of ", k,
                   " are not supported: the two must share a multiple of 16"));
}

}  // namespace quantd
