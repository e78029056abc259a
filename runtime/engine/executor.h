#ifndef QUANTD_RUNTIME_ENGINE_EXECUTOR_H_
#define QUANTD_RUNTIME_ENGINE_EXECUTOR_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/attention/attention.h"
#include "runtime/model/batch.h"

namespace quantd {

/// Limits of what an executor runs.
struct ExecutorLimits {
  int32_t vocab = 0;
  int32_t context = 0;  ///< longest sequence, tokens
};

/// Runs batches on a device. Called by the engine thread only. Tests use a fake.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual ExecutorLimits limits() const = 0;

  /// Starts a step. `batch` must stay unchanged until AwaitPrevious has returned. At most one
  /// step is in flight. A CPU executor may do all the work here.
  virtual void Submit(const Batch& batch, const KvView& kv) = 0;

  /// Waits for the step in flight and returns logits [logit_rows, vocab], valid (and writable:
  /// the sampler works in place) until the next Submit. Errors: INTERNAL, when the device failed
  /// as a whole.
  virtual absl::StatusOr<absl::Span<float>> AwaitPrevious() = 0;
};

class Model;

/// Executor over a CPU model; the model is shared with whoever reports on it.
std::unique_ptr<Executor> MakeModelExecutor(std::shared_ptr<Model> model);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_EXECUTOR_H_
