// AWQ, version gemm, as hf_schemes_awq.cc describes it.

#include "runtime/formats/hf_packers.h"

namespace quantd::hf {
namespace {

constexpr int kPerWord = 8, kBits = 4, kWordBits = 32;
/// Which nibble of a word holds each of its 8 columns.
constexpr int kNibble[kPerWord] = {0, 4, 1, 5, 2, 6, 3, 7};

std::vector<ModuleTensor> Layout(int64_t n, int64_t k, const PackOptions& options) {
  const int64_t groups = options.group == -1 ? 1 : k / options.group;
  return {{".qweight", Dtype::kI32, {k, n / kPerWord}, {}},
          {".qzeros", Dtype::kI32, {groups, n / kPerWord}, {}},
          {".scales", Dtype::kF16, {groups, n}, {}}};
}

/// The words of values [n, k], of which value(row, col) has 4 bits, as [k, n / 8].
template <typename Value>
std::vector<uint8_t> PackTransposed(int64_t n, int64_t k, const Value& value) {
  WordWriter words(kBits, k * n / kPerWord, n / kPerWord, 1);
  for (int64_t col = 0; col < k; ++col) {
    for (int64_t row = 0; row < n; ++row) {
      words.Put(col, row / kPerWord * kPerWord + kNibble[row % kPerWord], value(row, col));
    }
  }
  return words.Bytes();
}

void Pack(const QuantTensor& weights, absl::Span<const int32_t>, const PackOptions&,
          std::vector<ModuleTensor>* tensors) {
  const int64_t n = weights.rows, k = weights.cols, groups = weights.format.groups(k);
  (*tensors)[0].bytes =
      PackTransposed(n, k, [&](int64_t row, int64_t col) { return weights.codes[row * k + col]; });
  (*tensors)[1].bytes = PackTransposed(
      n, groups, [&](int64_t row, int64_t group) { return weights.zeros[row * groups + group]; });
  (*tensors)[2].bytes = TransposedHalfScales(weights);
}

}  // namespace

const Packer kAwqPacker = {Layout, Pack, kWordBits, 1};

}  // namespace quantd::hf
