// compressed-tensors with integer weights.
//
// pack-quantized:
//   weight_packed     I32 [N, ceil(K * bits / 32)]   codes + 2^(bits - 1), packed along K
//   weight_shape      I64 or I32 [2]                 N, K
//   weight_scale      float, one number, [N, 1], or [N, G]
//   weight_zero_point I32 [ceil(N * bits / 32), G]   packed along N with the same offset (earlier
//                     writers: I8 [N, G] as they are); asymmetric only
//   weight_g_idx      I32 [K]                        group of each input feature; act-order only
//                     (all -1: features are in order)
// int-quantized:
//   weight            I8 [N, K]
//   weight_scale      as above
//   weight_zero_point I8, as weight_scale; asymmetric only
// weight(n, k) = scale * (code - zero).

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/hf_compressed_group.h"
#include "runtime/formats/hf_packing.h"
#include "runtime/formats/hf_scales.h"
#include "runtime/formats/hf_schemes.h"

namespace quantd::hf {
namespace {

constexpr Dtype kWords[] = {Dtype::kI32};
constexpr Dtype kI8Only[] = {Dtype::kI8};
constexpr Dtype kIntegers[] = {Dtype::kI64, Dtype::kI32};
constexpr Dtype kZeroDtypes[] = {Dtype::kI32, Dtype::kI8};

/// Zero points of a weight, one for each scale; none if symmetric. Unsigned, with the offset of the
/// codes.
class ZeroGrid {
 public:
  ZeroGrid(const SafetensorsTensor* tensor, int bits) : tensor_(tensor), bits_(bits) {}

  const SafetensorsTensor* tensor() const { return tensor_; }
  ZeroType type() const { return tensor_ == nullptr ? ZeroType::kMidpoint : ZeroType::kCode; }

  /// Fills out->zeros, whose first row is `row_begin` of the matrix. Error when one is no code.
  absl::Status Fill(int64_t row_begin, const ScaleGrid& scales, QuantTensor* out) const {
    if (tensor_ == nullptr) return absl::OkStatus();
    const int64_t groups = out->format.groups(out->cols), length = out->cols / groups;
    for (int64_t row = 0; row < out->rows; ++row) {
      for (int64_t group = 0; group < groups; ++group) {
        const int zero = At(row_begin + row, group, scales.Index(row_begin + row, group * length));
        if (zero < 0 || zero >> bits_ != 0) {
          return tensor_->Error(absl::StrCat("zero point ", zero - (1 << (bits_ - 1)),
                                             " is out of the range of ", bits_, " bits"));
        }
        out->zeros[row * groups + group] = static_cast<uint8_t>(zero);
      }
    }
    return absl::OkStatus();
  }

 private:
  int At(int64_t row, int64_t group, int64_t index) const {
    if (tensor_->dtype == Dtype::kI32) {
      return PackedCodes(*tensor_, bits_, PackedCodes::Along::kRows).At(group, row);
    }
    return LoadElement<int8_t>(*tensor_, index) + (1 << (bits_ - 1));
  }

  const SafetensorsTensor* tensor_;
  int bits_;
};

/// The zero points beside the scales of a weight of `n` rows. Packed ones have a stream per column
/// of scales.
absl::StatusOr<ZeroGrid> GetZeros(const HfModule& module, const SafetensorsTensor& scale, int64_t n,
                                  int bits) {
  const SafetensorsTensor* zeros = module.Find(".weight_zero_point");
  if (zeros == nullptr) return ZeroGrid(nullptr, bits);
  if (zeros->dtype == Dtype::kI32) {
    const int64_t columns = scale.shape.size() == 2 ? scale.shape[1] : 1;
    QUANTD_ASSIGN_OR_RETURN(
        zeros, module.Get(".weight_zero_point", kZeroDtypes, {PackedWords(n, bits), columns}));
    if (scale.elements() == n * columns) return ZeroGrid(zeros, bits);
  } else if (zeros->dtype == Dtype::kI8 && zeros->shape == scale.shape) {
    return ZeroGrid(zeros, bits);
  }
  return zeros->Error("its type and shape give no zero point to each scale");
}

class PackedSource : public HfSource {
 public:
  PackedSource(const QuantFormat& format, int64_t k, const SafetensorsTensor& packed,
               const ScaleGrid& scales, const ZeroGrid& zeros, std::vector<int32_t> k_order,
               std::vector<const SafetensorsTensor*> tensors)
      : HfSource(format, packed.shape[0], k, std::move(tensors)),
        codes_(packed, format.bits, PackedCodes::Along::kColumns),
        scales_(scales),
        zeros_(zeros),
        k_order_(std::move(k_order)),
        columns_(ColumnsOf(k_order_, k)) {}

  absl::Span<const int32_t> k_order() const override { return k_order_; }

 protected:
  absl::Status DecodeRows(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    for (int64_t row = 0; row < row_count; ++row) {
      uint8_t* codes = out->codes.data() + row * cols();
      for (int64_t k = 0; k < cols(); ++k) codes[columns_[k]] = codes_.At(row_begin + row, k);
    }
    QUANTD_RETURN_IF_ERROR(zeros_.Fill(row_begin, scales_, out));
    return scales_.Fill(row_begin, out);
  }

 private:
  const PackedCodes codes_;
  const ScaleGrid scales_;
  const ZeroGrid zeros_;
  const std::vector<int32_t> k_order_, columns_;
};

/// K, from weight_shape, which must agree with the packed codes.
absl::StatusOr<int64_t> ReadColumns(const SafetensorsTensor& shape, const SafetensorsTensor& packed,
                                    int bits) {
  QUANTD_RETURN_IF_ERROR(shape.CheckNotTruncated());
  const auto extent = [&](int64_t i) {
    return shape.dtype == Dtype::kI64 ? LoadElement<int64_t>(shape, i)
                                      : int64_t{LoadElement<int32_t>(shape, i)};
  };
  const int64_t n = extent(0), k = extent(1);
  const bool fits = n > 0 && n == packed.shape[0] && k > 0 && k <= packed.shape[1] * 32 &&
                    PackedWords(k, bits) == packed.shape[1];
  if (fits) return k;
  return shape.Error(absl::StrCat("says ", n, " x ", k, ", but weight_packed has ", packed.shape[0],
                                  " rows of ", packed.shape[1], " words of ", bits, "-bit codes"));
}

absl::StatusOr<std::unique_ptr<HfSource>> OpenPacked(const HfModule& module) {
  QUANTD_ASSIGN_OR_RETURN(const CompressedTensorsGroup* group, FindCompressedGroup(module));
  const int bits = group->weights.bits;
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* packed,
                          module.Get(".weight_packed", kWords, {-1, -1}));
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* shape,
                          module.Get(".weight_shape", kIntegers, {2}));
  QUANTD_ASSIGN_OR_RETURN(const int64_t k, ReadColumns(*shape, *packed, bits));
  const int64_t n = packed->shape[0];
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* scale,
                          module.Get(".weight_scale", kScaleDtypes));
  QUANTD_ASSIGN_OR_RETURN(const ScaleGrid scales,
                          ScaleGrid::Of(module, *scale, n, k, std::nullopt));
  QUANTD_ASSIGN_OR_RETURN(const ZeroGrid zeros, GetZeros(module, *scale, n, bits));
  std::vector<const SafetensorsTensor*> tensors = {packed, shape, scale};
  if (zeros.tensor() != nullptr) tensors.push_back(zeros.tensor());
  std::vector<int32_t> k_order;
  if (module.Find(".weight_g_idx") != nullptr) {
    QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* g_idx,
                            module.Get(".weight_g_idx", kWords, {k}));
    QUANTD_RETURN_IF_ERROR(g_idx->CheckNotTruncated());
    if (LoadElement<int32_t>(*g_idx, 0) != -1) {
      const int64_t groups = scales.group() == 0 ? 1 : k / scales.group();
      QUANTD_ASSIGN_OR_RETURN(k_order, ReadKOrder(*g_idx, groups));
    }
    tensors.push_back(g_idx);
  }
  const QuantFormat format = AffineFormat(bits, scales.group(), zeros.type());
  return std::make_unique<PackedSource>(format, k, *packed, scales, zeros, std::move(k_order),
                                        std::move(tensors));
}

class Int8Source : public HfSource {
 public:
  Int8Source(const SafetensorsTensor& weight, const ScaleGrid& scales, const ZeroGrid& zeros,
             std::vector<const SafetensorsTensor*> tensors)
      : HfSource(AffineFormat(8, scales.group(), zeros.type()), weight.shape[0], weight.shape[1],
                 std::move(tensors)),
        weight_(weight),
        scales_(scales),
        zeros_(zeros) {}

 protected:
  absl::Status DecodeRows(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    const uint8_t* codes = weight_.data + row_begin * cols();
    // Adding 128 to a two's complement byte flips its top bit.
    for (int64_t i = 0; i < row_count * cols(); ++i) out->codes[i] = codes[i] ^ 0x80;
    QUANTD_RETURN_IF_ERROR(zeros_.Fill(row_begin, scales_, out));
    return scales_.Fill(row_begin, out);
  }

 private:
  const SafetensorsTensor& weight_;
  const ScaleGrid scales_;
  const ZeroGrid zeros_;
};

absl::StatusOr<std::unique_ptr<HfSource>> OpenInt8(const HfModule& module) {
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* weight,
                          module.Get(".weight", kI8Only, {-1, -1}));
  const int64_t n = weight->shape[0], k = weight->shape[1];
  if (n * k == 0) return weight->Error("holds no weights");
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* scale,
                          module.Get(".weight_scale", kScaleDtypes));
  QUANTD_ASSIGN_OR_RETURN(const ScaleGrid scales,
                          ScaleGrid::Of(module, *scale, n, k, std::nullopt));
  QUANTD_ASSIGN_OR_RETURN(const ZeroGrid zeros, GetZeros(module, *scale, n, 8));
  std::vector<const SafetensorsTensor*> tensors = {weight, scale};
  if (zeros.tensor() != nullptr) tensors.push_back(zeros.tensor());
  return std::make_unique<Int8Source>(*weight, scales, zeros, std::move(tensors));
}

}  // namespace

HfScheme CompressedPackedScheme() {
  return {"compressed-tensors packed",
          [](const HfModule& module) {
            return module.config<CompressedTensorsConfig>() != nullptr &&
                   module.Find(".weight_packed") != nullptr;
          },
          OpenPacked,
          {".input_scale", ".input_zero_point"}};
}

HfScheme CompressedInt8Scheme() {
  return {"compressed-tensors int8",
          [](const HfModule& module) {
            return module.Find(".weight_scale") != nullptr && module.Has(".weight", Dtype::kI8);
          },
          OpenInt8,
          {".input_scale", ".input_zero_point"}};
}

}  // namespace quantd::hf
