// GPTQ, as AutoGPTQ and GPTQModel write it:
//   qweight I32 [K * bits / 32, N]   codes, packed along K
//   qzeros  I32 [G, N * bits / 32]   zero points, packed along N; checkpoint format v1: less one
//   scales  float [G, N]
//   g_idx   I32 [K]                  group of each input feature; scattered with act-order
// weight(n, k) = scales[g, n] * (code - zero[g, n]) with g = g_idx[k].

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/hf_packing.h"
#include "runtime/formats/hf_scales.h"
#include "runtime/formats/hf_schemes.h"

namespace quantd::hf {
namespace {

constexpr Dtype kWords[] = {Dtype::kI32};

/// The zero points of format v1 plus the one that they are stored without. The writer subtracts it
/// from whole words, so that a zero point of 0 borrows from the one above it; adding to whole words
/// undoes just that. Only with 3 bits, where zero points straddle words, it works on each alone.
class ZeroPoints {
 public:
  ZeroPoints(const SafetensorsTensor& tensor, int bits, bool minus_one)
      : codes_(tensor, bits, PackedCodes::Along::kColumns), minus_one_(minus_one) {
    for (int shift = 0; shift < 32; shift += bits) ones_ |= 1u << shift;
  }

  uint8_t At(int64_t group, int64_t n) const {
    const int bits = codes_.bits();
    if (!minus_one_) return codes_.At(group, n);
    if (32 % bits != 0) return (codes_.At(group, n) + 1) & ((1 << bits) - 1);
    const CodePlace place(n, bits);
    return place.Extract(codes_.Word(group, place.word) + ones_, 0);
  }

 private:
  PackedCodes codes_;
  bool minus_one_;
  uint32_t ones_ = 0;  ///< a 1 in each field of a word
};

struct GptqTensors {
  const SafetensorsTensor* qweight;
  const SafetensorsTensor* qzeros;
  const SafetensorsTensor* scales;
  const SafetensorsTensor* g_idx;  ///< null: features are in order
  int bits;
  int64_t k, groups;

  std::vector<const SafetensorsTensor*> All() const {
    std::vector<const SafetensorsTensor*> all = {qweight, qzeros, scales};
    if (g_idx != nullptr) all.push_back(g_idx);
    return all;
  }
};

class GptqSource : public HfSource {
 public:
  GptqSource(const GptqTensors& tensors, const ZeroPoints& zeros, const QuantFormat& format,
             std::vector<int32_t> k_order)
      : HfSource(format, tensors.scales->shape[1], tensors.k, tensors.All()),
        tensors_(tensors),
        zeros_(zeros),
        scales_(*tensors.scales),
        k_order_(std::move(k_order)),
        columns_(ColumnsOf(k_order_, tensors.k)) {}

  absl::Span<const int32_t> k_order() const override { return k_order_; }

 protected:
  absl::Status DecodeRows(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    for (int64_t k = 0; k < cols(); ++k) {
      DecodeFeature(k, row_begin, row_count, out->codes.data() + columns_[k]);
    }
    const int64_t groups = tensors_.groups, n = rows();
    for (int64_t row = 0; row < row_count; ++row) {
      for (int64_t group = 0; group < groups; ++group) {
        out->scales[row * groups + group] = scales_[group * n + row_begin + row];
        if (out->zeros.empty()) continue;
        out->zeros[row * groups + group] = zeros_.At(group, row_begin + row);
      }
    }
    return CheckScales(*out, *tensors_.scales);
  }

 private:
  /// Codes of one input feature, which lie side by side for all rows, to codes[0], codes[K], ...
  void DecodeFeature(int64_t k, int64_t row_begin, int64_t row_count, uint8_t* codes) const {
    const CodePlace place(k, tensors_.bits);
    const int64_t at = place.word * rows() + row_begin;
    for (int64_t row = 0; row < row_count; ++row) {
      const uint32_t low = LoadElement<uint32_t>(*tensors_.qweight, at + row);
      const uint32_t high =
          place.straddles() ? LoadElement<uint32_t>(*tensors_.qweight, at + rows() + row) : 0;
      codes[row * cols()] = place.Extract(low, high);
    }
  }

  const GptqTensors tensors_;
  const ZeroPoints zeros_;
  const ScaleView scales_;
  const std::vector<int32_t> k_order_, columns_;
};

/// Bits per code: the configuration's; where modules may differ, those that the shapes imply.
absl::StatusOr<int> Bits(const HfModule& module, const SafetensorsTensor& qweight) {
  const GptqConfig& config = *module.config<GptqConfig>();
  const SafetensorsTensor* g_idx = module.Find(".g_idx");
  if (!config.per_module || g_idx == nullptr || g_idx->elements() == 0) return config.bits;
  const int64_t features = g_idx->elements();
  for (const int bits : {2, 3, 4, 8}) {
    if (qweight.shape[0] * 32 == features * bits) return bits;
  }
  return qweight.Error(absl::StrCat("its ", qweight.shape[0], " rows of words hold ", features,
                                    " features in neither 2, 3, 4 nor 8 bits"));
}

absl::StatusOr<GptqTensors> GetTensors(const HfModule& module) {
  GptqTensors t{};
  QUANTD_ASSIGN_OR_RETURN(t.qweight, module.Get(".qweight", kWords, {-1, -1}));
  QUANTD_ASSIGN_OR_RETURN(t.bits, Bits(module, *t.qweight));
  const int64_t n = t.qweight->shape[1];
  t.k = t.qweight->shape[0] * 32 / t.bits;
  QUANTD_ASSIGN_OR_RETURN(t.scales, module.Get(".scales", kScaleDtypes, {-1, n}));
  t.groups = t.scales->shape[0];
  if (t.k * n * t.groups == 0) return t.qweight->Error("holds no weights");
  if (t.qweight->shape[0] * 32 % t.bits != 0 || n * t.bits % 32 != 0) {
    return t.qweight->Error(absl::StrCat("a weight of ", n, " x ", t.k, " does not fill words of ",
                                         t.bits, "-bit codes"));
  }
  QUANTD_ASSIGN_OR_RETURN(t.qzeros, module.Get(".qzeros", kWords, {t.groups, n * t.bits / 32}));
  if (module.Find(".g_idx") != nullptr) {
    QUANTD_ASSIGN_OR_RETURN(t.g_idx, module.Get(".g_idx", kWords, {t.k}));
  }
  return t;
}

/// Checks that the groups are those of the configuration and divide K evenly.
absl::Status CheckGroups(const HfModule& module, const GptqTensors& t) {
  const GptqConfig& config = *module.config<GptqConfig>();
  if (t.k % t.groups != 0) {
    return module.Unsupported(
        absl::StrCat(t.groups, " groups do not divide the ", t.k,
                     " input features; quantize with a group size that does"));
  }
  const int64_t expected = config.group_size == -1 ? t.k : config.group_size;
  if (config.per_module || t.k / t.groups == expected) return absl::OkStatus();
  return t.scales->Error(absl::StrCat(t.groups, " groups of ", t.k / t.groups,
                                      " features, but config.json says group_size ",
                                      config.group_size));
}

bool AllZerosAre(const ZeroPoints& zeros, const GptqTensors& t, int expected) {
  for (int64_t group = 0; group < t.groups; ++group) {
    for (int64_t n = 0; n < t.scales->shape[1]; ++n) {
      if (zeros.At(group, n) != expected) return false;
    }
  }
  return true;
}

absl::StatusOr<std::unique_ptr<HfSource>> Open(const HfModule& module) {
  QUANTD_ASSIGN_OR_RETURN(const GptqTensors t, GetTensors(module));
  QUANTD_RETURN_IF_ERROR(CheckGroups(module, t));
  for (const SafetensorsTensor* tensor : t.All()) {
    QUANTD_RETURN_IF_ERROR(tensor->CheckNotTruncated());
  }
  const int64_t period =
      t.groups == 1 && module.config<GptqConfig>()->group_size != t.k ? -1 : t.k / t.groups;
  QUANTD_ASSIGN_OR_RETURN(const uint16_t group, GroupLength(module, t.k, period));
  std::vector<int32_t> k_order;
  if (t.g_idx != nullptr) {
    QUANTD_ASSIGN_OR_RETURN(k_order, ReadKOrder(*t.g_idx, t.groups));
  }
  const ZeroPoints zeros(*t.qzeros, t.bits, module.config<GptqConfig>()->zeros_minus_one);
  // Symmetric quantization stores the same middle everywhere, whatever the configuration calls it.
  const bool symmetric = AllZerosAre(zeros, t, 1 << (t.bits - 1));
  const QuantFormat format =
      AffineFormat(t.bits, group, symmetric ? ZeroType::kMidpoint : ZeroType::kCode);
  return std::make_unique<GptqSource>(t, zeros, format, std::move(k_order));
}

}  // namespace

HfScheme GptqScheme() {
  return {"GPTQ",
          [](const HfModule& module) {
            return module.config<GptqConfig>() != nullptr && module.Find(".qweight") != nullptr;
          },
          Open,
          {}};
}

}  // namespace quantd::hf
