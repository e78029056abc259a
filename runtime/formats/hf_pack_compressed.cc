// compressed-tensors with integer weights, as hf_schemes_compressed.cc describes it.

#include "runtime/formats/hf_packers.h"
#include "runtime/formats/hf_packing.h"

namespace quantd::hf {
namespace {

constexpr uint8_t kTopBit = 0x80;

std::vector<ModuleTensor> Int8Layout(int64_t n, int64_t k, const PackOptions& options) {
  return {{".weight", Dtype::kI8, {n, k}, {}}, {".weight_scale", options.weight_dtype, {n, 1}, {}}};
}

void PackInt8(const QuantTensor& weights, absl::Span<const int32_t>, const PackOptions& options,
              std::vector<ModuleTensor>* tensors) {
  (*tensors)[0].bytes = weights.codes;
  // Taking 128 from a byte flips its top bit.
  for (uint8_t& code : (*tensors)[0].bytes) code ^= kTopBit;
  (*tensors)[1].bytes = FloatBytes(weights.scales, options.weight_dtype);
}

std::vector<ModuleTensor> PackedLayout(int64_t n, int64_t k, const PackOptions& options) {
  const int64_t groups = options.group == -1 ? 1 : k / options.group;
  return {{".weight_packed", Dtype::kI32, {n, PackedWords(k, options.bits)}, {}},
          {".weight_scale", options.weight_dtype, {n, groups}, {}},
          {".weight_shape", Dtype::kI64, {2}, {}}};
}

void PackPacked(const QuantTensor& weights, absl::Span<const int32_t>, const PackOptions& options,
                std::vector<ModuleTensor>* tensors) {
  const int64_t words = (*tensors)[0].shape[1];
  WordWriter codes(options.bits, weights.rows * words, words, 1);
  for (int64_t row = 0; row < weights.rows; ++row) {
    for (int64_t k = 0; k < weights.cols; ++k) {
      codes.Put(row, k, weights.codes[row * weights.cols + k]);
    }
  }
  (*tensors)[0].bytes = codes.Bytes();
  (*tensors)[1].bytes = FloatBytes(weights.scales, options.weight_dtype);
  std::vector<uint8_t>& shape = (*tensors)[2].bytes;
  for (const int64_t extent : {weights.rows, weights.cols}) {
    for (int byte = 0; byte < 8; ++byte) shape.push_back(static_cast<uint8_t>(extent >> 8 * byte));
  }
}

}  // namespace

const Packer kInt8Packer = {Int8Layout, PackInt8, 1, 1};
const Packer kPackedPacker = {PackedLayout, PackPacked, 1, 1};

}  // namespace quantd::hf
