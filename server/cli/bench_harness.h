#ifndef QUANTD_SERVER_CLI_BENCH_HARNESS_H_
#define QUANTD_SERVER_CLI_BENCH_HARNESS_H_

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/cache/kv_block_pool.h"
#include "runtime/lifecycle/runtime_context.h"
#include "runtime/model/model.h"

namespace quantd {

/// Drives a model's forward pass with random tokens and a KV cache of its own, so that what is
/// timed is the model alone: no scheduler, no sampler, no text. Not thread-safe; the model must
/// outlive it and nobody else may run it meanwhile.
class BenchHarness {
 public:
  /// Room for `sequences` sequences of `tokens` tokens each. `step_tokens`: rows of one prefill
  /// step at most. Errors: RESOURCE_EXHAUSTED.
  static absl::StatusOr<std::unique_ptr<BenchHarness>> Create(Model* model, KvType kv_type,
                                                              int32_t sequences, int32_t tokens,
                                                              int32_t step_tokens);

  /// Stores the first `tokens` tokens of each of the first `sequences` sequences, in steps as full
  /// as the budget allows. Logits are computed for a sequence's last token, as serving does.
  /// Errors: CANCELLED once the user interrupts, here and below.
  absl::Status Prefill(int32_t sequences, int32_t tokens);

  /// Adds `steps` tokens to each of the first `sequences` sequences, which hold `context` tokens
  /// before: one step of `sequences` rows each.
  absl::Status Decode(int32_t sequences, int32_t context, int32_t steps);

  uint64_t kv_bytes() const {
    return static_cast<uint64_t>(pool_->total_blocks()) * pool_->layout().block_bytes();
  }

 private:
  BenchHarness() = default;
  void AddRows(int32_t sequence, int32_t context, int32_t rows, bool logits);
  absl::Status RunStep();

  Model* model_ = nullptr;
  int32_t step_tokens_ = 0;
  std::unique_ptr<KvBlockPool> pool_;
  std::vector<std::vector<int32_t>> blocks_;  ///< of each sequence
  std::mt19937 random_{1};
  Batch batch_;
  std::vector<float> logits_;
};

/// What repeated measurements of one quantity say.
struct SampleStats {
  double median = 0;
  double stddev = 0;  ///< of the sample; 0 for a single measurement
};
SampleStats Summarize(std::vector<double> samples);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_BENCH_HARNESS_H_
