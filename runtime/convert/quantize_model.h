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
  /// Also from weights that are quantized already; else that is an error.
  bool requantize = false;
  /// Told, before anything is written, what the output will not do as the source does.
  std::function<void(const std::string& note)> note;
  /// Called after each tensor. Returning false cancels: no file is left.
  std::function<bool(const QuantizeProgress&)> progress;
};

/// What became of one tensor. Errors compare the stored weights with the source's.
struct QuantizedTensor {
  std::string name;
  std::string from;  ///< type in the source; of what the source has no tensor for, as `to`
  std::string to;    ///< type that was written
  uint64_t from_bytes, to_bytes;
  int64_t weights;
  double squared_error = 0;  ///< sum over the weights
  double squared_sum = 0;    ///< of the source's weights
  double max_error = 0;      ///< largest of one weight
  /// Not one of those that the scheme is for: only rounded to the float type of the others.
  bool aside = false;

  bool quantized() const;  ///< its weights were rounded to another type
  /// Root mean square of the error, relative to that of the weights.
  double RelativeError() const;
};

/// Writes a model, from a GGUF file or a folder, as a GGUF file: matrices as `mix` says, everything
/// else as PlanGguf does. Matrices whose rows are no multiple of a type's block get FittingScheme.
/// Uses every thread of the pool. Errors: those of PlanGguf; DATA_LOSS when the source is corrupt;
/// those of GgufWriter::Write; CANCELLED.
absl::StatusOr<std::vector<QuantizedTensor>> QuantizeModel(const Checkpoint& source,
                                                           const FormatMix& mix,
                                                           const std::string& output_path,
                                                           ThreadPool& pool,
                                                           const QuantizeModelOptions& options);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_QUANTIZE_MODEL_H_
