// Weights in full precision: F32, F16, BF16, one number per weight, [..., K].

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/hf_schemes.h"
#include "runtime/formats/schemes.h"

namespace quantd {
namespace {

/// The GGUF type that stores floats in the same way; null for types that are no floats of ours.
const GgufScheme* RowDecoder(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return &gguf::kF32Scheme;
    case Dtype::kF16:
      return &gguf::kF16Scheme;
    case Dtype::kBF16:
      return &gguf::kBF16Scheme;
    default:
      return nullptr;
  }
}

/// Rows of a tensor; of more than two dimensions all but the last count rows.
class FloatSource : public HfSource {
 public:
  FloatSource(const SafetensorsTensor& tensor, const GgufScheme& decoder, int64_t rows,
              int64_t cols)
      : HfSource(decoder.format, rows, cols, {&tensor}), tensor_(tensor), decoder_(decoder) {}

 protected:
  absl::Status DecodeRows(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    const int64_t row_bytes = decoder_.RowBytes(cols());
    for (int64_t row = 0; row < row_count; ++row) {
      const uint8_t* bytes = tensor_.data + (row_begin + row) * row_bytes;
      if (!decoder_.decode_row(bytes, cols(), row, out)) {
        return tensor_.Error(absl::StrCat("row ", row_begin + row,
                                          " holds a weight that is NaN or infinite; the file is "
                                          "corrupt"));
      }
    }
    return absl::OkStatus();
  }

 private:
  const SafetensorsTensor& tensor_;
  const GgufScheme& decoder_;
};

absl::StatusOr<std::unique_ptr<HfSource>> OpenTensor(const SafetensorsTensor& tensor) {
  const GgufScheme* decoder = RowDecoder(tensor.dtype);
  if (decoder == nullptr) {
    return tensor.Error(
        absl::StrCat("expected type F32 or F16 or BF16, found ", DtypeName(tensor.dtype)));
  }
  const int64_t cols = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (tensor.elements() == 0) return tensor.Error("holds no weights");
  return std::make_unique<FloatSource>(tensor, *decoder, tensor.elements() / cols, cols);
}

}  // namespace

namespace hf {

HfScheme FloatScheme() {
  return {"float",
          [](const HfModule& module) {
            const SafetensorsTensor* weight = module.Find(".weight");
            return weight != nullptr && RowDecoder(weight->dtype) != nullptr;
          },
          [](const HfModule& module) { return OpenTensor(*module.Find(".weight")); },
          {}};
}

}  // namespace hf

absl::StatusOr<std::vector<float>> ReadFloats(const SafetensorsTensor& tensor) {
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<HfSource> source, OpenTensor(tensor));
  QuantTensor all;
  QUANTD_RETURN_IF_ERROR(source->Decode(0, source->rows(), &all));
  return std::move(all.values);
}

}  // namespace quantd
