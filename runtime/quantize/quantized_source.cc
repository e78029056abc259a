#include "runtime/quantize/quantized_source.h"

#include <utility>

#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/quantize/search_row.h"

namespace quantd {
namespace {

class QuantizedSource : public WeightSource {
 public:
  QuantizedSource(const QuantFormat& format, std::unique_ptr<WeightSource> source)
      : format_(format), source_(std::move(source)) {
    QUANTD_CHECK(source_->format().is_float(), "only floats are quantized");
    QUANTD_CHECK(source_->cols() % format_.k_multiple() == 0, "a format that the rows can have");
  }

  const QuantFormat& format() const override { return format_; }
  int64_t rows() const override { return source_->rows(); }
  int64_t cols() const override { return source_->cols(); }
  absl::Span<const int32_t> k_order() const override { return source_->k_order(); }

  absl::Status Decode(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    QuantTensor floats;
    QUANTD_RETURN_IF_ERROR(source_->Decode(row_begin, row_count, &floats));
    out->Resize(format_, row_count, cols());
    for (int64_t row = 0; row < row_count; ++row) {
      SearchRow(floats.values.data() + row * cols(), /*importance=*/nullptr, row, out);
    }
    return absl::OkStatus();
  }

 private:
  const QuantFormat format_;
  const std::unique_ptr<WeightSource> source_;
};

}  // namespace

std::unique_ptr<WeightSource> QuantizedTo(const QuantFormat& format,
                                          std::unique_ptr<WeightSource> source) {
  return std::make_unique<QuantizedSource>(format, std::move(source));
}

}  // namespace quantd
