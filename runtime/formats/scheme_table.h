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
  uint32_t file_type;  ///< general.file_type of a file whose matrices are of this type

  /// Decodes one row of k weights (a multiple of block_weights) into row `row` of *out, whose
  /// buffers have their final size. False when the bytes are no valid encoding (a scale, or a
  /// weight of a float type, that is NaN or infinite).
  bool (*decode_row)(const uint8_t* bytes, int64_t k, int64_t row, QuantTensor* out);
  /// The inverse: the bytes of row `row` of `rows`, whose scales and mins are numbers that the type
  /// stores exactly (as decode_row and QuantizeRow give them). A float weight is rounded to it.
  void (*pack_row)(const QuantTensor& rows, int64_t row, uint8_t* bytes);

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

/// Encodes rows of floats in one scheme with the simple rule of QuantizeRow, for synthetic models
/// and tests. Keeps its buffers from row to row. Not thread-safe.
class RowEncoder {
 public:
  explicit RowEncoder(const GgufScheme& scheme) : scheme_(scheme) {}
  /// k finite weights, a multiple of the scheme's block, into RowBytes(k) bytes.
  void Encode(const float* weights, int64_t k, uint8_t* bytes);

 private:
  const GgufScheme& scheme_;
  QuantTensor row_;
};

/// A WeightSource over a tensor of one to three dimensions; a third one stacks matrices (experts),
/// whose rows follow one another. File and tensor must outlive it.
/// Errors: DATA_LOSS naming file and tensor.
absl::StatusOr<std::unique_ptr<WeightSource>> OpenWeight(const GgufFile& file,
                                                         const GgufTensor& tensor);

/// Reads a whole tensor of any shape as floats (norms, biases, rope factors), in file order.
/// Errors: DATA_LOSS naming file and tensor.
absl::StatusOr<std::vector<float>> ReadFloats(const GgufFile& file, const GgufTensor& tensor);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_SCHEME_TABLE_H_
