#ifndef QUANTD_RUNTIME_FORMATS_HF_PACKERS_H_
#define QUANTD_RUNTIME_FORMATS_HF_PACKERS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/base/weight_source.h"
#include "runtime/formats/dtype.h"

// The way back from a weight in canonical form to the tensors in which a library stores it: the
// inverse of the schemes of hf_schemes.h, whose files describe the layouts. N is the number of
// output features (rows), K that of input features.
namespace quantd::hf {

/// A tensor of a module: MODULE followed by `suffix`.
struct ModuleTensor {
  std::string suffix;
  Dtype dtype;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;  ///< in a layout: only if they do not depend on the weights
};

/// What a packer must know beside the shape.
struct PackOptions {
  Dtype weight_dtype = Dtype::kF16;  ///< of the weight that was quantized: F32, F16 or BF16
  int bits = 4;                      ///< of the integer schemes
  int64_t group = 128;               ///< along K, a divisor of it; -1: one group
};

/// How a library stores a weight.
struct Packer {
  /// The tensors of a weight [n, k] without their data, behind which they stand in a file's header.
  std::vector<ModuleTensor> (*layout)(int64_t n, int64_t k, const PackOptions& options);
  /// Fills in the bytes. `weights` is the whole matrix; column c of it is input feature k_order[c],
  /// c itself if that is empty (WeightSource::k_order). Scales must be exact in the type in which
  /// the layout stores them.
  void (*pack)(const QuantTensor& weights, absl::Span<const int32_t> k_order,
               const PackOptions& options, std::vector<ModuleTensor>* tensors);
  /// What the bits of a column and of a row must be multiples of, N * bits and K * bits, so that
  /// codes fill whole words or blocks; 1: nothing.
  int n_bits_multiple, k_bits_multiple;
};

/// bitsandbytes NF4, in blocks of 64. Rows must be whole blocks: the library itself, on a CPU,
/// reads others wrongly.
extern const Packer kNf4Packer;  // hf_pack_bnb.cc
/// compressed-tensors int-quantized: INT8 with a scale per row, in the type of the weight.
extern const Packer kInt8Packer;  // hf_pack_compressed.cc
/// compressed-tensors pack-quantized: symmetric INT4 in groups, scales in the type of the weight.
extern const Packer kPackedPacker;  // hf_pack_compressed.cc
/// GPTQ, checkpoint format v1, scales in F16. Zero points are at least 1, so that every reader of
/// v1 understands them.
extern const Packer kGptqPacker;  // hf_pack_gptq.cc
/// AWQ, version gemm, scales in F16.
extern const Packer kAwqPacker;  // hf_pack_awq.cc

/// `value` rounded to a float type: F32, F16 or BF16. What is too large becomes infinite.
float RoundedTo(Dtype dtype, float value);

/// The bytes of `values` in a float type.
std::vector<uint8_t> FloatBytes(absl::Span<const float> values, Dtype dtype);

/// Scales [N, G] as [G, N], in F16.
std::vector<uint8_t> TransposedHalfScales(const QuantTensor& weights);

/// Words of 32 bits, of which streams of codes are made (CodePlace).
class WordWriter {
 public:
  /// Word w of stream s is the one numbered s * stream_step + w * word_step, of `words` in all.
  WordWriter(int bits, int64_t words, int64_t stream_step, int64_t word_step)
      : bits_(bits), stream_step_(stream_step), word_step_(word_step), words_(words) {}

  void Put(int64_t stream, int64_t index, uint32_t code);
  std::vector<uint8_t> Bytes() const;

 private:
  const int bits_;
  const int64_t stream_step_, word_step_;
  std::vector<uint32_t> words_;
};

}  // namespace quantd::hf

#endif  // QUANTD_RUNTIME_FORMATS_HF_PACKERS_H_
