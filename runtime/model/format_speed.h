#ifndef QUANTD_RUNTIME_MODEL_FORMAT_SPEED_H_
#define QUANTD_RUNTIME_MODEL_FORMAT_SPEED_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/gemm/gemm_kernels.h"
#include "runtime/formats/synth.h"
#include "runtime/model/model_config.h"

namespace quantd {

/// A kind of step that speed is measured for.
struct Workload {
  const char* name;    ///< "decode", as a key
  const char* title;   ///< for people
  int64_t rows;        ///< tokens of a step
  int64_t logit_rows;  ///< of them, those whose logits are computed
};

/// THE list: one sequence, batches of 8 and 32, and a prompt of 512 tokens.
const std::vector<Workload>& Workloads();

/// A format with the name that FormatName gives it.
struct ComparedFormat {
  std::string name;
  QuantFormat format;
};

/// Formats that are compared: every named one, and affine INT4 in groups of 128 as GPTQ and AWQ
/// write it.
const std::vector<ComparedFormat>& ComparedFormats();

struct FormatSpeedOptions {
  int32_t layers = 0;  ///< held in memory; see LinearStack::Create
  int32_t reps = 3;    ///< samples of each figure, of which the median counts
  bool naive = false;  ///< also measure RunNaiveGemm
  /// Called before each sample, with how much of all is done, in [0, 1). Returning false cancels.
  std::function<bool(double done)> go_on;
};

/// One format's speed in one workload.
struct WorkloadSpeed {
  double tokens_per_second = 0;
  double naive_tokens_per_second = 0;  ///< weights dequantized to floats first; 0 = not measured
  GemmKernelInfo kernel;               ///< the first figure's
};

/// What a model of some shape would do with all its matrices in one format.
struct FormatSpeed {
  int64_t weight_bytes = 0;              ///< packed
  std::vector<WorkloadSpeed> workloads;  ///< in the order of Workloads()
};

/// Times the matrix products of a step of each workload on random weights, layer after layer so
/// that caches do not hold them, and scales them to the whole model. Attention, norms and sampling
/// are not part of it: at short contexts they are a small share. Errors: those of
/// LinearStack::Create; CANCELLED.
absl::StatusOr<FormatSpeed> MeasureFormat(const ModelConfig& config, const QuantFormat& format,
                                          const FormatSpeedOptions& options,
                                          const GemmKernels& kernels, ThreadPool& pool);

/// The hyper-parameters that a model of this shape has.
ModelConfig ConfigOf(const SynthShape& shape);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_FORMAT_SPEED_H_
