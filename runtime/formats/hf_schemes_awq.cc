// AWQ, version gemm, as AutoAWQ writes it:
//   qweight I32 [K, N / 8]   codes of 4 bits, packed along N
//   qzeros  I32 [G, N / 8]   zero points, likewise
//   scales  float [G, N]
// weight(n, k) = scales[g, n] * (code - zero[g, n]) with g = k / (K / G).
// Of the 8 columns of a word, nibbles 0..7 hold columns 0, 2, 4, 6, 1, 3, 5, 7.

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/hf_module.h"
#include "runtime/formats/hf_scales.h"
#include "runtime/formats/hf_schemes.h"

namespace quantd::hf {
namespace {

constexpr Dtype kWords[] = {Dtype::kI32};
constexpr int kPerWord = 8, kBits = 4;
/// Where the nibble of each column lies: the inverse of the order above, in bits.
constexpr int kShift[kPerWord] = {0, 16, 4, 20, 8, 24, 12, 28};

/// Nibble of column n in row `row` of a tensor of `words` words per row.
uint8_t NibbleAt(const SafetensorsTensor& tensor, int64_t words, int64_t row, int64_t n) {
  const uint32_t word = LoadElement<uint32_t>(tensor, row * words + n / kPerWord);
  return word >> kShift[n % kPerWord] & 15;
}

class AwqSource : public HfSource {
 public:
  AwqSource(const SafetensorsTensor& qweight, const SafetensorsTensor& qzeros,
            const SafetensorsTensor& scales, const QuantFormat& format)
      : HfSource(format, scales.shape[1], qweight.shape[0], {&qweight, &qzeros, &scales}),
        qweight_(qweight),
        qzeros_(qzeros),
        scales_(scales),
        groups_(scales.shape[0]) {}

 protected:
  absl::Status DecodeRows(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    const int64_t words = rows() / kPerWord;
    for (int64_t k = 0; k < cols(); ++k) {
      for (int64_t row = 0; row < row_count; ++row) {
        out->codes[row * cols() + k] = NibbleAt(qweight_, words, k, row_begin + row);
      }
    }
    for (int64_t row = 0; row < row_count; ++row) {
      for (int64_t group = 0; group < groups_; ++group) {
        out->scales[row * groups_ + group] = scales_[group * rows() + row_begin + row];
        out->zeros[row * groups_ + group] = NibbleAt(qzeros_, words, group, row_begin + row);
      }
    }
    return CheckScales(*out, scales_.tensor());
  }

 private:
  const SafetensorsTensor& qweight_;
  const SafetensorsTensor& qzeros_;
  const ScaleView scales_;
  const int64_t groups_;
};

absl::StatusOr<std::unique_ptr<HfSource>> Open(const HfModule& module) {
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* qweight,
                          module.Get(".qweight", kWords, {-1, -1}));
  const int64_t k = qweight->shape[0], words = qweight->shape[1];
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* scales,
                          module.Get(".scales", kScaleDtypes, {-1, words * kPerWord}));
  const int64_t groups = scales->shape[0];
  if (k * words * groups == 0) return qweight->Error("holds no weights");
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* qzeros,
                          module.Get(".qzeros", kWords, {groups, words}));
  const int64_t group_size = module.config<AwqConfig>()->group_size;
  const int64_t length = group_size == -1 ? k : group_size;
  if (groups * length != k) {
    return scales->Error(absl::StrCat(groups, " groups for ", k,
                                      " features, but config.json says group_size ", group_size));
  }
  QUANTD_ASSIGN_OR_RETURN(const uint16_t group, GroupLength(module, k, group_size));
  return std::make_unique<AwqSource>(*qweight, *qzeros, *scales,
                                     AffineFormat(kBits, group, ZeroType::kCode));
}

}  // namespace

HfScheme AwqScheme() {
  return {"AWQ",
          [](const HfModule& module) {
            return module.config<AwqConfig>() != nullptr && module.Find(".qweight") != nullptr;
          },
          Open,
          {}};
}

}  // namespace quantd::hf
