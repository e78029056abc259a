#ifndef QUANTD_RUNTIME_CONVERT_INPUT_STATISTICS_H_
#define QUANTD_RUNTIME_CONVERT_INPUT_STATISTICS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/base/thread_pool.h"
#include "runtime/model/chunk_reader.h"

namespace quantd {

/// What the inputs X [rows, cols] of a matrix were like while a text was read. Takes 4 cols^2
/// bytes.
struct InputStatistics {
  int64_t rows = 0, cols = 0;
  std::vector<float> products;    ///< X^T X / rows, [cols, cols]
  std::vector<float> magnitudes;  ///< mean |x| of each feature, [cols]
};

/// By tensor name, as in Model::Report.
using InputsByMatrix = absl::flat_hash_map<std::string, InputStatistics>;

/// Reads `tokens` with the model, in chunks, and measures the inputs of `matrices`. Errors: those
/// of ReadChunks; INVALID_ARGUMENT naming a matrix that multiplied nothing; INTERNAL naming one
/// whose input is not finite.
absl::StatusOr<InputsByMatrix> MeasureInputs(Model& model, KvType kv_type,
                                             absl::Span<const int32_t> tokens,
                                             const ChunkOptions& options, ThreadPool& pool,
                                             absl::Span<const std::string> matrices);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_INPUT_STATISTICS_H_
