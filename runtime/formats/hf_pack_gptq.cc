// GPTQ, checkpoint format v1, as hf_schemes_gptq.cc describes it.

#include "kernels/base/check.h"
#include "runtime/formats/hf_packers.h"
#include "runtime/formats/hf_packing.h"

namespace quantd::hf {
namespace {

constexpr int kWordBits = 32;

std::vector<ModuleTensor> Layout(int64_t n, int64_t k, const PackOptions& options) {
  const int64_t groups = options.group == -1 ? 1 : k / options.group;
  return {{".qweight", Dtype::kI32, {k * options.bits / kWordBits, n}, {}},
          {".qzeros", Dtype::kI32, {groups, n * options.bits / kWordBits}, {}},
          {".scales", Dtype::kF16, {groups, n}, {}},
          {".g_idx", Dtype::kI32, {k}, {}}};
}

void Pack(const QuantTensor& weights, absl::Span<const int32_t> k_order, const PackOptions& options,
          std::vector<ModuleTensor>* tensors) {
  const int64_t n = weights.rows, k = weights.cols, groups = weights.format.groups(k);
  const int bits = options.bits;
  WordWriter codes(bits, k * bits / kWordBits * n, 1, n);
  WordWriter group_of(kWordBits, k, 1, k);
  for (int64_t c = 0; c < k; ++c) {
    const int64_t feature = k_order.empty() ? c : k_order[c];
    for (int64_t row = 0; row < n; ++row) codes.Put(row, feature, weights.codes[row * k + c]);
    group_of.Put(feature, 0, static_cast<uint32_t>(c / (k / groups)));
  }
  const int64_t words = n * bits / kWordBits;
  WordWriter zeros(bits, groups * words, words, 1);
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t row = 0; row < n; ++row) {
      const int zero =
          weights.zeros.empty() ? 1 << (bits - 1) : weights.zeros[row * groups + group];
      QUANTD_CHECK(zero >= 1, "format v1 stores zero points less one");
      zeros.Put(group, row, static_cast<uint32_t>(zero - 1));
    }
  }
  (*tensors)[0].bytes = codes.Bytes();
  (*tensors)[1].bytes = zeros.Bytes();
  (*tensors)[2].bytes = TransposedHalfScales(weights);
  (*tensors)[3].bytes = group_of.Bytes();
}

}  // namespace

const Packer kGptqPacker = {Layout, Pack, kWordBits, kWordBits};

}  // namespace quantd::hf
