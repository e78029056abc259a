#ifndef QUANTD_RUNTIME_CONVERT_ROPE_ROWS_H_
#define QUANTD_RUNTIME_CONVERT_ROPE_ROWS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/model_config.h"

namespace quantd {

/// How many rows (of a bias: elements) of the tensor that we call `name` change places together
/// between GGUF, where rotated rows of a head are neighbours, and Hugging Face, where they are half
/// a head apart (Family::gguf_rope_adjacent); 0: none do. Errors: UNIMPLEMENTED if only a part of a
/// head is rotated.
absl::StatusOr<int64_t> PairedRows(const Checkpoint& source, const ModelConfig& config,
                                   absl::string_view name);

/// Where row `row` of a GGUF file stands in a folder of Hugging Face, and the inverse. `paired` as
/// of PairedRows.
int64_t HfRowOf(int64_t row, int64_t paired);
int64_t GgufRowOf(int64_t row, int64_t paired);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_ROPE_ROWS_H_
