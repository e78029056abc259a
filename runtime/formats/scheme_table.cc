#include "runtime/formats/scheme_table.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/schemes.h"
#include "runtime/quantize/quantize_row.h"
#include "runtime/quantize/row_floats.h"

namespace quantd {
namespace {

struct TypeName {
  uint32_t id;
  const char* name;
};

/// Types of the format, read by this build or not. Missing numbers were removed from it.
constexpr TypeName kTypeNames[] = {
    {0, "F32"},     {1, "F16"},    {2, "Q4_0"},     {3, "Q4_1"},    {6, "Q5_0"},     {7, "Q5_1"},
    {8, "Q8_0"},    {9, "Q8_1"},   {10, "Q2_K"},    {11, "Q3_K"},   {12, "Q4_K"},    {13, "Q5_K"},
    {14, "Q6_K"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
    {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"},   {23, "IQ4_XS"}, {24, "I8"},      {25, "I16"},
    {26, "I32"},    {27, "I64"},   {28, "F64"},     {29, "IQ1_M"},  {30, "BF16"},    {34, "TQ1_0"},
    {35, "TQ2_0"},  {39, "MXFP4"}, {40, "NVFP4"}};

absl::Status BadRow(const GgufFile& file, const GgufTensor& tensor, int64_t row) {
  return file.Error(tensor, absl::StrCat("row ", row,
                                         " holds a scale or weight that is NaN or infinite; "
                                         "the file is corrupt"));
}

/// A tensor of a mapped file, decoded by its scheme. Immutable, so thread-safe.
class GgufWeightSource : public WeightSource {
 public:
  GgufWeightSource(const GgufFile& file, const GgufTensor& tensor, const GgufScheme& scheme)
      : file_(file), tensor_(tensor), scheme_(scheme) {}

  const QuantFormat& format() const override { return scheme_.format; }
  int64_t rows() const override { return tensor_.rows(); }
  int64_t cols() const override { return tensor_.cols(); }

  absl::Status Decode(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    QUANTD_CHECK(row_begin >= 0 && row_count >= 0 && row_begin <= rows() - row_count,
                 "rows outside of the tensor lie outside of its bytes");
    QUANTD_RETURN_IF_ERROR(file_.CheckNotTruncated(tensor_));
    const int64_t k = cols(), row_bytes = scheme_.RowBytes(k);
    out->Resize(scheme_.format, row_count, k);
    for (int64_t row = 0; row < row_count; ++row) {
      const uint8_t* bytes = tensor_.data + (row_begin + row) * row_bytes;
      if (!scheme_.decode_row(bytes, k, row, out)) return BadRow(file_, tensor_, row_begin + row);
    }
    return absl::OkStatus();
  }

 private:
  const GgufFile& file_;
  const GgufTensor& tensor_;
  const GgufScheme& scheme_;
};

}  // namespace

const std::vector<GgufScheme>& GgufSchemes() {
  static const auto* const kSchemes = new std::vector<GgufScheme>{
      gguf::kF32Scheme,  gguf::kF16Scheme,   gguf::kBF16Scheme,  gguf::kQ8_0Scheme,
      gguf::kQ4_0Scheme, gguf::kQ4_1Scheme,  gguf::kQ5_0Scheme,  gguf::kQ5_1Scheme,
      gguf::kQ2_KScheme, gguf::kQ3_KScheme,  gguf::kQ4_KScheme,  gguf::kQ5_KScheme,
      gguf::kQ6_KScheme, gguf::kIq4NlScheme, gguf::kIq4XsScheme, gguf::kMxFp4Scheme};
  return *kSchemes;
}

const GgufScheme* FindGgufScheme(uint32_t type_id) {
  for (const GgufScheme& scheme : GgufSchemes()) {
    if (scheme.type_id == type_id) return &scheme;
  }
  return nullptr;
}

const GgufScheme* FindGgufScheme(absl::string_view name) {
  for (const GgufScheme& scheme : GgufSchemes()) {
    if (absl::EqualsIgnoreCase(scheme.name, name)) return &scheme;
  }
  return nullptr;
}

const char* KnownGgufTypeName(uint32_t type_id) {
  const auto* it = std::find_if(std::begin(kTypeNames), std::end(kTypeNames),
                                [=](const TypeName& type) { return type.id == type_id; });
  return it == std::end(kTypeNames) ? nullptr : it->name;
}

std::string SupportedGgufTypes() {
  return absl::StrJoin(GgufSchemes(), ", ", [](std::string* out, const GgufScheme& scheme) {
    absl::StrAppend(out, scheme.name);
  });
}

void RowEncoder::Encode(const float* weights, int64_t k, uint8_t* bytes) {
  row_.Resize(scheme_.format, 1, k);
  QuantizeRow(weights, 0, &row_);
  scheme_.pack_row(row_, 0, bytes);
}

absl::StatusOr<std::unique_ptr<WeightSource>> OpenWeight(const GgufFile& file,
                                                         const GgufTensor& tensor) {
  if (tensor.shape.size() > 3) {
    return file.Error(tensor,
                      absl::StrCat("expected 1 to 3 dimensions, found ", tensor.shape.size()));
  }
  const GgufScheme* scheme = FindGgufScheme(tensor.type);
  QUANTD_CHECK(scheme != nullptr, "the parser lets no tensor of an unread type pass");
  return std::make_unique<GgufWeightSource>(file, tensor, *scheme);
}

absl::StatusOr<std::vector<float>> ReadFloats(const GgufFile& file, const GgufTensor& tensor) {
  const GgufScheme* scheme = FindGgufScheme(tensor.type);
  QUANTD_CHECK(scheme != nullptr, "the parser lets no tensor of an unread type pass");
  const GgufWeightSource source(file, tensor, *scheme);
  const int64_t cols = source.cols();
  std::vector<float> floats(static_cast<size_t>(source.rows() * cols));
  QuantTensor row;
  for (int64_t r = 0; r < source.rows(); ++r) {
    QUANTD_RETURN_IF_ERROR(source.Decode(r, 1, &row));
    RowFloats(row, 0, floats.data() + r * cols);
  }
  return floats;
}

}  // namespace quantd
