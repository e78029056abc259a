#ifndef QUANTD_RUNTIME_CONVERT_QUANTIZE_MODEL_H_
#define QUANTD_RUNTIME_CONVERT_QUANTIZE_MODEL_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/base/thread_pool.h"
#include "runtime/convert/calibration.h"
#include "runtime/formats/format_mix.h"
#include "runtime/model/checkpoint.h"

namespace quantd {

/// How far a quantization is: bytes of the source that are done, of how many.
struct QuantizeProgress {
  uint64_t done_bytes;
  uint64_t total_bytes;
  absl::string_view tensor;  ///< the one that was written
};

struct QuantizeModelOptions {
  /// From a calibration text; empty: every column counts the same.
  ColumnImportance importance;
  /// Called after each tensor. Returning false cancels: no file is left.
  std::function<bool(const QuantizeProgress&)> progress;
};

/// What became of one tensor. Errors compare the stored weights with the source's.
struct QuantizedTensor {
  std::string name;
  std::string from;  ///< type in the source
  std::string to;    ///< type that was written
  uint64_t from_bytes, to_bytes;
  int64_t weights;
  double squared_error = 0;  ///< sum over the weights
  double squared_sum = 0;    ///< of the source's weights
  double max_error = 0;      ///< largest of one weight

  bool quantized() const;  ///< else copied
  /// Root mean square of the error, relative to that of the weights.
  double RelativeError() const;
};

/// Quantizes a model of full precision to a GGUF file: matrices as `mix` says, everything else as
/// it is. Matrices whose rows are no multiple of a type's block get FittingScheme. Metadata are
/// copied, but for those that tell the file's type. Uses every thread of the pool.
/// Errors: INVALID_ARGUMENT naming the tensor when the source is quantized already; UNIMPLEMENTED
/// when it is no GGUF file; DATA_LOSS when
/// it is corrupt; those of GgufWriter::Write; CANCELLED.
absl::StatusOr<std::vector<QuantizedTensor>> QuantizeModel(const Checkpoint& source,
                                                           const FormatMix& mix,
                                                           const std::string& output_path,
                                                           ThreadPool& pool,
                                                           const QuantizeModelOptions& options);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_QUANTIZE_MODEL_H_
