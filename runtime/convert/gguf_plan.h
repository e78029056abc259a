#ifndef QUANTD_RUNTIME_CONVERT_GGUF_PLAN_H_
#define QUANTD_RUNTIME_CONVERT_GGUF_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/convert/rope_rows.h"
#include "runtime/formats/format_mix.h"
#include "runtime/formats/gguf.h"
#include "runtime/formats/gguf_writer.h"
#include "runtime/model/checkpoint.h"

namespace quantd {

/// A tensor of a GGUF file to be written, and what it is made of: of `copied`, else of `tensor`,
/// else of `values`.
struct GgufTensorPlan {
  std::string name;
  std::vector<int64_t> shape;
  const GgufScheme* to;
  const GgufTensor* copied = nullptr;  ///< of the source, as it is
  const CheckpointTensor* tensor = nullptr;
  std::vector<float> values;
  int64_t paired_rows = 0;  ///< see PairedRows

  int64_t cols() const { return shape[0]; }
  int64_t rows() const;  ///< product of the other dimensions
  bool is_vector() const { return shape.size() == 1; }
  uint64_t source_bytes() const { return tensor == nullptr ? 0 : tensor->bytes; }
  /// Where row `row` (of a vector: element) comes from.
  int64_t SourceRow(int64_t row) const { return HfRowOf(row, paired_rows); }
};

/// A GGUF file to be written.
struct GgufPlan {
  GgufWriter writer;  ///< the metadata, yet without the tensors
  std::vector<GgufTensorPlan> tensors;
  std::vector<std::string> notes;  ///< see GgufVocabulary
};

/// What a GGUF file of the model holds, with types as `mix` says. Of a GGUF file, metadata are
/// copied, but for those that tell of its parts. Of a folder they are written anew: the
/// hyper-parameters, the tokenizer, chat templates; its vectors become F32, and so does the matrix
/// that picks experts. Errors: those of ReadModelConfig, ReadGgufVocabulary and
/// WriteGgufHyperParameters; INVALID_ARGUMENT naming the tensor when one that is quantized would be
/// so again, unless `requantize`.
absl::StatusOr<GgufPlan> PlanGguf(const Checkpoint& source, const FormatMix& mix, bool requantize);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_GGUF_PLAN_H_
