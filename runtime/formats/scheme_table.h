#ifndef QUANTD_RUNTIME_FORMATS_SCHEME_TABLE_H_
#define QUANTD_RUNTIME_FORMATS_SCHEME_TABLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/base/weight_source.h"
#include "runtime/formats/gguf.h"

namespace quantd {

/// How one GGUF tensor type stores weights. ONE row per type in the table: the loader, the
/// writer, `quantd inspect` and the tests all read it; adding a type is two functions and a row.
struct GgufScheme {
  uint32_t type_id;
  const char* name;       ///< "Q4_0"
  QuantFormat format;     ///< the canonical form it decodes to
  int64_t block_weights;  ///< weights per block; 1 for float types
  int64_t block_bytes;

  /// Decodes one row of k weights (a multiple of block_weights) into row `row` of *out, whose
  /// buffers have their final size. False when the bytes are no valid encoding (a scale, or a
  /// weight of a float type, that is NaN or infinite).
  bool (*decode_row)(const uint8_t* bytes, int64_t k, int64_t row, QuantTensor* out);
  /// Encodes k finite floats with the simple per-block rule (largest magnitude or range); for
  /// synthetic models and tests. Null when this build does not write the type.
  void (*encode_row)(const float* weights, int64_t k, uint8_t* bytes);

  int64_t RowBytes(int64_t k) const { return k / block_weights * block_bytes; }
};

/// Every scheme that this build reads.
const std::vector<GgufScheme>& GgufSchemes();
const GgufScheme* FindGgufScheme(uint32_t type_id);
/// Case-insensitive; null if unknown.
const GgufScheme* FindGgufScheme(absl::string_view name);
/// Name of a type of the format, read by this build or not ("IQ2_XXS"); null if unknown or removed
/// from the format.
const char* KnownGgufTypeName(uint32_t type_id);

/// Names of all rows, for messages: "F32, F16, BF16, Q8_0".
std::string SupportedGgufTypes();

/// A WeightSource over a tensor of one or two dimensions. File and tensor must outlive it.
/// Errors: DATA_LOSS naming file and tensor.
absl::StatusOr<std::unique_ptr<WeightSource>> OpenWeight(const GgufFile& file,
                                                         const GgufTensor& tensor);

/// Reads a whole tensor of any shape as floats (norms, biases, rope factors), in file order.
/// Errors: DATA_LOSS naming file and tensor.
absl::StatusOr<std::vector<float>> ReadFloats(const GgufFile& file, const GgufTensor& tensor);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_SCHEME_TABLE_H_
