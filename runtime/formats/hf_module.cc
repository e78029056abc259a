#include "runtime/formats/hf_module.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"

namespace quantd {
namespace {

std::string ShapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[",
                      absl::StrJoin(shape, ", ",
                                    [](std::string* out, int64_t extent) {
                                      absl::StrAppend(out,
                                                      extent < 0 ? "any" : absl::StrCat(extent));
                                    }),
                      "]");
}

bool ShapeFits(absl::Span<const int64_t> shape, absl::Span<const int64_t> wanted) {
  return shape.size() == wanted.size() &&
         std::equal(shape.begin(), shape.end(), wanted.begin(),
                    [](int64_t has, int64_t want) { return want < 0 || has == want; });
}

}  // namespace

const SafetensorsTensor* HfModule::Find(absl::string_view suffix) const {
  return model_.FindTensor(absl::StrCat(name_, suffix));
}

bool HfModule::Has(absl::string_view suffix, Dtype dtype) const {
  const SafetensorsTensor* tensor = Find(suffix);
  return tensor != nullptr && tensor->dtype == dtype;
}

absl::StatusOr<const SafetensorsTensor*> HfModule::Get(absl::string_view suffix,
                                                       absl::Span<const Dtype> dtypes) const {
  const SafetensorsTensor* tensor = Find(suffix);
  if (tensor == nullptr) {
    return model_.Error(absl::StrCat("tensor ", name_, suffix), "is missing");
  }
  if (std::find(dtypes.begin(), dtypes.end(), tensor->dtype) == dtypes.end()) {
    return tensor->Error(absl::StrCat("expected type ",
                                      absl::StrJoin(dtypes, " or ",
                                                    [](std::string* out, Dtype dtype) {
                                                      absl::StrAppend(out, DtypeName(dtype));
                                                    }),
                                      ", found ", DtypeName(tensor->dtype)));
  }
  return tensor;
}

absl::StatusOr<const SafetensorsTensor*> HfModule::Get(absl::string_view suffix,
                                                       absl::Span<const Dtype> dtypes,
                                                       std::initializer_list<int64_t> shape) const {
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* tensor, Get(suffix, dtypes));
  if (ShapeFits(tensor->shape, shape)) return tensor;
  return tensor->Error(
      absl::StrCat("expected shape ", ShapeText(shape), ", found ", ShapeText(tensor->shape)));
}

absl::Status HfModule::Unsupported(absl::string_view what) const {
  return UnsupportedError(model_.path(), name_, what);
}

absl::Status HfSource::Decode(int64_t row_begin, int64_t row_count, QuantTensor* out) const {
  QUANTD_CHECK(row_begin >= 0 && row_count >= 0 && row_begin <= rows_ - row_count,
               "rows outside of the tensors lie outside of their bytes");
  for (const SafetensorsTensor* tensor : tensors_) {
    QUANTD_RETURN_IF_ERROR(tensor->CheckNotTruncated());
  }
  out->Resize(format_, row_count, cols_);
  return DecodeRows(row_begin, row_count, out);
}

absl::Status HfSource::CheckScales(const QuantTensor& out, const SafetensorsTensor& tensor) {
  const bool finite = std::all_of(out.scales.begin(), out.scales.end(),
                                  [](float scale) { return std::isfinite(scale); });
  if (finite) return absl::OkStatus();
  return tensor.Error("holds a scale that is NaN or infinite; the file is corrupt");
}

}  // namespace quantd
