// bitsandbytes NF4, as hf_schemes_bnb.cc describes it.

#include "nlohmann/json.hpp"
#include "runtime/formats/hf_packers.h"

namespace quantd::hf {
namespace {

/// As torch names the types.
const char* TorchName(Dtype dtype) {
  return dtype == Dtype::kF32 ? "float32" : dtype == Dtype::kF16 ? "float16" : "bfloat16";
}

/// The JSON that tells what the codes are of.
std::string QuantState(int64_t n, int64_t k, Dtype dtype) {
  const nlohmann::ordered_json state = {{"quant_type", "nf4"},
                                        {"blocksize", kNf4Block},
                                        {"dtype", TorchName(dtype)},
                                        {"shape", {n, k}}};
  return state.dump();
}

std::vector<ModuleTensor> Layout(int64_t n, int64_t k, const PackOptions& options) {
  const int64_t blocks = (n * k + kNf4Block - 1) / kNf4Block;
  const std::string state = QuantState(n, k, options.weight_dtype);
  return {{".weight", Dtype::kU8, {(n * k + 1) / 2, 1}, {}},
          {".weight.absmax", Dtype::kF32, {blocks}, {}},
          {".weight.quant_map",
           Dtype::kF32,
           {16},
           FloatBytes(TableValues(CodeTable::kNf4), Dtype::kF32)},
          {".weight.quant_state.bitsandbytes__nf4",
           Dtype::kU8,
           {static_cast<int64_t>(state.size())},
           {state.begin(), state.end()}}};
}

void Pack(const QuantTensor& weights, absl::Span<const int32_t>, const PackOptions&,
          std::vector<ModuleTensor>* tensors) {
  // As many as the matrix has, of whose blocks the last may be filled up.
  std::vector<uint8_t>& codes = (*tensors)[0].bytes;
  codes.resize(static_cast<size_t>((*tensors)[0].shape[0]));
  for (size_t i = 0; i < codes.size(); ++i) {
    codes[i] = static_cast<uint8_t>(weights.codes[2 * i] << 4 | weights.codes[2 * i + 1]);
  }
  (*tensors)[1].bytes = FloatBytes(weights.scales, Dtype::kF32);
}

}  // namespace

const Packer kNf4Packer = {Layout, Pack, 1, 1};

}  // namespace quantd::hf
