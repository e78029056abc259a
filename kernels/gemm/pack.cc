#include <algorithm>
#include <limits>
#include <mutex>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/outliers.h"
#include "kernels/gemm/rows32.h"

namespace quantd {
namespace {

// Row groups decoded at a time: bounds the canonical form held per thread.
constexpr int64_t kSlabGroups = 4;
// Keeps every byte offset of a matrix far from overflow.
constexpr int64_t kMaxDimension = std::numeric_limits<int32_t>::max();

absl::Status CheckShape(const WeightSource& source) {
  const int64_t n = source.rows(), k = source.cols();
  if (n < 1 || k < 1 || n > kMaxDimension || k > kMaxDimension) {
    return absl::InvalidArgumentError(
        absl::StrCat("weight matrix [", n, ", ", k, "]: dimensions must be 1 .. ", kMaxDimension));
  }
  if (k % source.format().k_multiple() != 0) {
    return absl::InvalidArgumentError(absl::StrCat("weight matrix [", n, ", ", k, "]: K is no ",
                                                   "multiple of the scale group of ",
                                                   FormatName(source.format())));
  }
  QUANTD_CHECK(source.k_order().empty() || static_cast<int64_t>(source.k_order().size()) == k,
               "an order of K names every column");
  return absl::OkStatus();
}

// Packs row groups [begin, end).
absl::Status PackGroups(const WeightSource& source, PackedFormat format, int64_t begin, int64_t end,
                        uint8_t* data) {
  const int64_t group_bytes = Rows32GroupBytes(format, source.cols(), PackedSpan(source.format()));
  QuantTensor slab;
  for (int64_t g = begin; g < end; g += kSlabGroups) {
    const int64_t first = g * kGroupRows;
    const int64_t last = std::min(source.rows(), std::min(g + kSlabGroups, end) * kGroupRows);
    if (absl::Status s = source.Decode(first, last - first, &slab); !s.ok()) return s;
    QUANTD_CHECK(slab.rows == last - first && slab.cols == source.cols(),
                 "a source decodes the rows it is asked for");
    for (int64_t row = 0; row < slab.rows; row += kGroupRows) {
      PackRows32(format, slab, row, data + (first + row) / kGroupRows * group_bytes);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PackedWeight> PackWeight(const WeightSource& source, const GemmKernels& kernels,
                                        ThreadPool& pool) {
  if (absl::Status s = CheckShape(source); !s.ok()) return s;
  const std::optional<PackedFormat> format = ToPackedFormat(source.format());
  if (!format || !kernels.SupportsFormat(source.format())) {
    return absl::UnimplementedError(
        absl::StrCat("no kernel multiplies weights of format ", FormatName(source.format())));
  }
  PackedWeight packed;
  packed.format = source.format();
  packed.n = source.rows();
  packed.k = source.cols();
  packed.k_order.assign(source.k_order().begin(), source.k_order().end());
  packed.outlier_threshold = source.outlier_threshold();
  QUANTD_CHECK(packed.outlier_threshold == 0 || TakesOutliers(*format),
               "only INT8 weights leave outliers out");
  const int64_t bytes = Rows32Bytes(*format, packed.n, packed.k, PackedSpan(packed.format));
  packed.data = AlignedBuffer(bytes);
  if (packed.data.data() == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for a packed weight of ", bytes,
                     " bytes; free memory or choose a smaller model"));
  }

  std::mutex mutex;
  absl::Status first_error;
  const int64_t groups = (packed.n + kGroupRows - 1) / kGroupRows;
  pool.ParallelFor(groups, 1, [&](int64_t begin, int64_t end, int) {
    absl::Status s = PackGroups(source, *format, begin, end, packed.data.as<uint8_t>());
    std::lock_guard<std::mutex> lock(mutex);
    first_error.Update(s);
  });
  if (!first_error.ok()) return first_error;
  return packed;
}

void DecodeRow(const PackedWeight& weight, int64_t row, float* out) {
  QUANTD_CHECK(row >= 0 && row < weight.n, "a row of the matrix");
  const PackedFormat format = *ToPackedFormat(weight.format);
  const int span = PackedSpan(weight.format);
  const uint8_t* const group =
      weight.data.as<uint8_t>() + row / kGroupRows * Rows32GroupBytes(format, weight.k, span);
  DecodePackedRow(format, span, weight.k, group, static_cast<int>(row % kGroupRows), out);
  if (weight.k_order.empty()) return;
  const std::vector<float> columns(out, out + weight.k);
  for (int64_t c = 0; c < weight.k; ++c) out[weight.k_order[c]] = columns[c];
}

}  // namespace quantd
