#ifndef QUANTD_RUNTIME_CONVERT_AWQ_LAYER_H_
#define QUANTD_RUNTIME_CONVERT_AWQ_LAYER_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "runtime/convert/folder_source.h"
#include "runtime/convert/input_statistics.h"
#include "runtime/model/model_config.h"
#include "runtime/quantize/awq_search.h"

namespace quantd {

/// Factors of a weight [n, k]: weight (r, c) becomes weight * in[c] / out[r]. Empty: all 1.
struct WeightScaling {
  std::vector<float> in, out;

  float Of(int64_t row, int64_t col) const {
    return (in.empty() ? 1.0f : in[col]) / (out.empty() ? 1.0f : out[row]);
  }
};

/// What AWQ scales in one layer: the columns of matrices that read an input, and, the other way
/// round, what makes that input: the norm before Q, K and V and before gate and up, the rows of V
/// before the attention's output, and those of up before down. Without rounding, the layer computes
/// what it did before. Immutable.
class AwqLayer {
 public:
  /// `modules` are those of one layer, `inputs` have what each of them reads. Errors: those of
  /// FolderSource::ReadWeights and of reading norms and biases.
  static absl::StatusOr<AwqLayer> Search(const FolderSource& source,
                                         absl::Span<const FolderModule> modules,
                                         const InputsByMatrix& inputs, const ModelConfig& config,
                                         const AwqRounding& rounding, ThreadPool& pool);

  const WeightScaling& Of(const FolderModule& module) const;
  /// The norms and biases that change, by tensor name, rounded to the type that they are stored in.
  /// Factors of columns were chosen after norms were rounded, so that nothing is lost by it.
  const std::map<std::string, std::vector<float>>& rewritten() const { return rewritten_; }

 private:
  class Folder;
  std::map<std::string, WeightScaling> scalings_;  ///< by module
  std::map<std::string, std::vector<float>> rewritten_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_AWQ_LAYER_H_
