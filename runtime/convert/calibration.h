#ifndef QUANTD_RUNTIME_CONVERT_CALIBRATION_H_
#define QUANTD_RUNTIME_CONVERT_CALIBRATION_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "runtime/model/chunk_reader.h"

namespace quantd {

/// By tensor name: the mean square of each input feature [cols] of a matrix, over the rows of a
/// text. The error of a weight costs as much as its input is large.
using ColumnImportance = absl::flat_hash_map<std::string, std::vector<float>>;

/// Reads `tokens` with the model, in chunks, and measures what every matrix gets to multiply.
/// Matrices that multiply nothing (an embedding that is only looked up) are absent. Errors: those
/// of ReadChunks; INTERNAL naming the tensor when an input is not finite.
absl::StatusOr<ColumnImportance> MeasureImportance(Model& model, KvType kv_type,
                                                   absl::Span<const int32_t> tokens,
                                                   const ChunkOptions& options);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_CALIBRATION_H_
