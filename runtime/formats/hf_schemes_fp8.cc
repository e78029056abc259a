// Weights of 8- and 4-bit floats.
//
// FP8 (quant_method fp8, fbgemm_fp8, compressed-tensors float-quantized):
//   weight       F8_E4M3 [N, K]
//   weight_scale, or weight_scale_inv (a factor all the same): one number, [N], [N, 1], or one for
//                each block of weight_block_size rows and columns
//
// MXFP4: 4-bit floats E2M1, the even weight in the low nibble, and for every 32 weights an e, which
// stands for a factor of 2^(e - 127).
//   quant_method mxfp4 (all dimensions before K count rows; names without a dot):
//     NAME_blocks   U8 [..., N, K / 32, 16]
//     NAME_scales   U8 [..., N, K / 32]
//   compressed-tensors mxfp4-pack-quantized, the same bytes:
//     weight_packed U8 [N, K / 2]
//     weight_scale  U8 [N, K / 32]

#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/hf_compressed_group.h"
#include "runtime/formats/hf_scales.h"
#include "runtime/formats/hf_schemes.h"

namespace quantd::hf {
namespace {

constexpr Dtype kE4M3Only[] = {Dtype::kF8E4M3};

class Fp8Source : public HfSource {
 public:
  Fp8Source(const QuantFormat& format, const SafetensorsTensor& weight,
            const SafetensorsTensor& scale, const ScaleGrid& scales)
      : HfSource(format, weight.shape[0], weight.shape[1], {&weight, &scale}),
        weight_(weight),
        scales_(scales) {}

 protected:
  absl::Status DecodeRows(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    const uint8_t* codes = weight_.data + row_begin * cols();
    bool finite = true;
    for (int64_t i = 0; i < row_count * cols(); ++i) {
      finite &= (codes[i] & 0x7f) != 0x7f;
      out->codes[i] = codes[i];
    }
    if (!finite) return weight_.Error("holds a weight that is NaN; the file is corrupt");
    return scales_.Fill(row_begin, out);
  }

 private:
  const SafetensorsTensor& weight_;
  const ScaleGrid scales_;
};

/// Rows and columns that share a scale, where the configuration says so.
absl::StatusOr<std::optional<std::pair<int64_t, int64_t>>> BlockOf(const HfModule& module) {
  if (const auto* config = module.config<Fp8Config>()) return config->block;
  if (module.config<CompressedTensorsConfig>() == nullptr) return std::nullopt;
  QUANTD_ASSIGN_OR_RETURN(const CompressedTensorsGroup* group, FindCompressedGroup(module));
  if (group->weights.strategy != CompressedTensorsArgs::Strategy::kBlock) return std::nullopt;
  return group->weights.block;
}

absl::StatusOr<std::unique_ptr<HfSource>> OpenFp8(const HfModule& module) {
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* weight,
                          module.Get(".weight", kE4M3Only, {-1, -1}));
  const int64_t n = weight->shape[0], k = weight->shape[1];
  if (n * k == 0) return weight->Error("holds no weights");
  const bool inverse = module.Find(".weight_scale_inv") != nullptr;
  const char* suffix = inverse ? ".weight_scale_inv" : ".weight_scale";
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* scale, module.Get(suffix, kFp8ScaleDtypes));
  QUANTD_ASSIGN_OR_RETURN(auto block, BlockOf(module));
  if (inverse && !block) block.emplace(128, 128);
  QUANTD_ASSIGN_OR_RETURN(const ScaleGrid scales, ScaleGrid::Of(module, *scale, n, k, block));
  QuantFormat format = kFp8;
  format.group = scales.group();
  return std::make_unique<Fp8Source>(format, *weight, *scale, scales);
}

constexpr int kMxBlock = 32, kMxBytes = kMxBlock / 2;
/// The table of codes is doubled; see kE2M1. Larger exponents overflow a float.
constexpr int kMxBias = 128, kMxMaxExponent = 252;

class Mxfp4Source : public HfSource {
 public:
  Mxfp4Source(const SafetensorsTensor& blocks, const SafetensorsTensor& scales)
      : HfSource(kMxFp4, scales.elements() / scales.shape.back(), scales.shape.back() * kMxBlock,
                 {&blocks, &scales}),
        blocks_(blocks),
        scales_(scales) {}

 protected:
  absl::Status DecodeRows(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    const int64_t per_row = cols() / kMxBlock;
    const uint8_t* bytes = blocks_.data + row_begin * per_row * kMxBytes;
    for (int64_t i = 0; i < row_count * per_row * kMxBytes; ++i) {
      out->codes[2 * i] = bytes[i] & 15;
      out->codes[2 * i + 1] = bytes[i] >> 4;
    }
    const uint8_t* exponents = scales_.data + row_begin * per_row;
    bool finite = true;
    for (int64_t i = 0; i < row_count * per_row; ++i) {
      finite &= exponents[i] <= kMxMaxExponent;
      out->scales[i] = std::ldexp(1.0f, exponents[i] - kMxBias);
    }
    if (finite) return absl::OkStatus();
    return scales_.Error("holds a scale that is NaN or overflows; the file is corrupt");
  }

 private:
  const SafetensorsTensor& blocks_;
  const SafetensorsTensor& scales_;
};

constexpr Dtype kU8Only[] = {Dtype::kU8};

absl::StatusOr<std::unique_ptr<HfSource>> OpenPackedMxfp4(const HfModule& module) {
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* scales,
                          module.Get(".weight_scale", kU8Only, {-1, -1}));
  if (scales->elements() == 0) return scales->Error("holds no scales");
  const int64_t n = scales->shape[0], groups = scales->shape[1];
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* packed, module.Get(".weight_packed", kU8Only));
  if (packed->shape != std::vector<int64_t>{n, groups * kMxBytes}) {
    return packed->Error("expected U8 numbers [N, K / 2], as many as its scales [N, K / 32] tell");
  }
  return std::make_unique<Mxfp4Source>(*packed, *scales);
}

bool IsPackedMxfp4(const HfModule& module) {
  return module.Has(".weight_packed", Dtype::kU8) && module.Has(".weight_scale", Dtype::kU8);
}

absl::StatusOr<std::unique_ptr<HfSource>> OpenMxfp4(const HfModule& module) {
  if (IsPackedMxfp4(module)) return OpenPackedMxfp4(module);
  const SafetensorsTensor& blocks = *module.Find("_blocks");
  const SafetensorsTensor& scales = *module.Find("_scales");
  std::vector<int64_t> expected = scales.shape;
  expected.push_back(kMxBytes);
  if (scales.dtype != Dtype::kU8 || scales.shape.empty() || scales.elements() == 0) {
    return scales.Error("expected U8 numbers [..., K / 32]");
  }
  if (blocks.dtype != Dtype::kU8 || blocks.shape != expected) {
    return blocks.Error("expected U8 numbers [..., K / 32, 16], as many as its scales tell");
  }
  return std::make_unique<Mxfp4Source>(blocks, scales);
}

}  // namespace

HfScheme Fp8Scheme() {
  return {"FP8",
          [](const HfModule& module) { return module.Has(".weight", Dtype::kF8E4M3); },
          OpenFp8,
          // Scales of activations: those of the kernels are found as they run.
          {".input_scale", ".activation_scale", ".input_scale_ub"}};
}

HfScheme Mxfp4Scheme() {
  return {"MXFP4",
          [](const HfModule& module) {
            return IsPackedMxfp4(module) ||
                   (module.Find("_blocks") != nullptr && module.Find("_scales") != nullptr);
          },
          OpenMxfp4,
          {}};
}

}  // namespace quantd::hf
