// bitsandbytes NF4, as hf_schemes_bnb.cc describes it.

#include "nlohmann/json.hpp"
#include "runtime/formats/hf_packers.h"

namespace quantd::hf {
namespace {

constexpr int64_t kBlock = 64;
constexpr int kBits = 4;

/// As torch names the types.
const char* TorchName(Dtype dtype) {
  return dtype == Dtype::kF32 ? "float32" : dtype == Dtype::kF16 ? "float16" : "bfloat16";
}

/// The JSON that tells what the codes are of.
std::string QuantState(int64_t n, int64_t k, Dtype dtype) {
  const nlohmann::ordered_json state = {
      {"quant_type", "nf4"}, {"blocksize", kBlock}, {"dtype", TorchName(dtype)}, {"shape", {n, k}}};
  return state.dump();
}

std::vector<ModuleTensor> Layout(int64_t n, int64_t k, const PackOptions& options) {
  const std::string state = QuantState(n, k, options.weight_dtype);
  return {{".weight", Dtype::kU8, {n * k / 2, 1}, {}},
          {".weight.absmax", Dtype::kF32, {n * k / kBlock}, {}},
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
  std::vector<uint8_t>& codes = (*tensors)[0].bytes;
  codes.resize(weights.codes.size() / 2);
  for (size_t i = 0; i < codes.size(); ++i) {
    codes[i] = static_cast<uint8_t>(weights.codes[2 * i] << 4 | weights.codes[2 * i + 1]);
  }
  (*tensors)[1].bytes = FloatBytes(weights.scales, Dtype::kF32);
}

}  // namespace

const Packer kNf4Packer = {Layout, Pack, 1, kBlock* kBits};

}  // namespace quantd::hf
