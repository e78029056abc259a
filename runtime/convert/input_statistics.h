#ifndef QUANTD_RUNTIME_CONVERT_INPUT_STATISTICS_H_
#define QUANTD_RUNTIME_CONVERT_INPUT_STATISTICS_H_

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/base/thread_pool.h"
#include "runtime/model/chunk_reader.h"

namespace quantd {

/// A matrix whose inputs are observed.
struct InputName {
  std::string matrix;  ///< as in Model::Report
  size_t part = 0;     ///< as in Model::ObservedInput

  friend auto operator<=>(const InputName&, const InputName&) = default;
};

/// What the inputs X [rows, cols] of a matrix were like while a text was read. Takes 4 cols^2
/// bytes.
struct InputStatistics {
  int64_t rows = 0, cols = 0;
  std::vector<float> products;    ///< X^T X / rows, [cols, cols]
  std::vector<float> magnitudes;  ///< mean |x| of each feature, [cols]
};

using InputsByMatrix = std::map<InputName, InputStatistics>;

/// Reads `tokens` with the model, in chunks, and measures the inputs of `matrices`. One that
/// multiplied nothing (an expert that was never chosen) has no rows, and nothing else. Errors:
/// those of ReadChunks; INTERNAL naming a matrix whose input is not finite.
absl::StatusOr<InputsByMatrix> MeasureInputs(Model& model, KvType kv_type,
                                             absl::Span<const int32_t> tokens,
                                             const ChunkOptions& options, ThreadPool& pool,
                                             absl::Span<const InputName> matrices);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_INPUT_STATISTICS_H_
