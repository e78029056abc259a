#include <algorithm>
#include <limits>
#include <mutex>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/rows16.h"

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
  if (k % source.format().group != 0) {
    return absl::InvalidArgumentError(absl::StrCat("weight matrix [", n, ", ", k, "]: K is no ",
                                                   "multiple of the scale group of ",
                                                   FormatName(source.format())));
  }
  return absl::OkStatus();
}

// Packs row groups [begin, end).
absl::Status PackGroups(const WeightSource& source, PackedFormat format, int64_t begin, int64_t end,
                        uint8_t* data) {
  const int64_t group_bytes = Rows16GroupBytes(format, source.cols());
  QuantTensor slab;
  for (int64_t g = begin; g < end; g += kSlabGroups) {
    const int64_t first = g * kGroupRows;
    const int64_t last = std::min(source.rows(), std::min(g + kSlabGroups, end) * kGroupRows);
    if (absl::Status s = source.Decode(first, last - first, &slab); !s.ok()) return s;
    QUANTD_CHECK(slab.rows == last - first && slab.cols == source.cols(),
                 "a source decodes the rows it is asked for");
    for (int64_t row = 0; row < slab.rows; row += kGroupRows) {
      PackRows16(format, slab, row, data + (first + row) / kGroupRows * group_bytes);
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
  const int64_t bytes = Rows16Bytes(*format, packed.n, packed.k);
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
  const Rows16Format& f = FormatOf(format);
  const uint8_t* const group =
      weight.data.as<uint8_t>() + row / kGroupRows * Rows16GroupBytes(format, weight.k);
  const int lane = static_cast<int>(row % kGroupRows);
  if (f.bits == 0) {
    for (int64_t k = 0; k < weight.k; ++k) out[k] = FloatAt(format, group + k * f.bytes, lane);
    return;
  }
  const int per_scale = kBlockWeights / f.scale_groups;
  for (int64_t k = 0; k < weight.k; k += kBlockWeights) {
    const uint8_t* const block = group + k / kBlockWeights * f.bytes;
    uint8_t codes[kBlockWeights];
    UnpackCodes(format, block, lane, codes);
    const float min = MinAt(format, block, lane);
    const int count = static_cast<int>(std::min<int64_t>(kBlockWeights, weight.k - k));
    for (int i = 0; i < count; ++i) {
      const float product =
          ScaleAt(format, block, lane, i / per_scale) * static_cast<float>(codes[i] - f.zero);
      out[k + i] = f.min_offset > 0 ? product + min : product;
    }
  }
}

}  // namespace quantd
