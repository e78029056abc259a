#ifndef QUANTD_KERNELS_MEASURE_KERNEL_TIMER_H_
#define QUANTD_KERNELS_MEASURE_KERNEL_TIMER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "kernels/base/aligned_buffer.h"
#include "kernels/base/thread_pool.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/kernel_table.h"

namespace quantd {

/// What a timed pass did and how long the best of them took.
struct Timing {
  double seconds = 0;
  double bytes = 0;  ///< of packed weights
  double ops = 0;    ///< multiply and add count as two

  double bytes_per_s() const { return bytes / seconds; }
  double ops_per_s() const { return ops / seconds; }
};

/// How much is timed. A pass goes over as many weights as it takes to read `bytes`, so that they
/// come from memory as in a model, or to multiply `macs`, where reading no longer counts.
struct TimerLimits {
  int64_t bytes = int64_t{96} << 20;
  int64_t macs = int64_t{1} << 30;
  int repetitions = 3;  ///< the best counts
  bool whole = false;   ///< weights as they are; else at most a quarter of the pass from each
};

/// Times kernels on packed weights of one format with random input rows, threads sharing each
/// weight. Not thread-safe. The weights must outlive it.
class KernelTimer {
 public:
  /// `weights`: not empty, all of one PackedFormat.
  KernelTimer(absl::Span<const PackedWeight* const> weights, const GemmKernels& kernels,
              ThreadPool& pool, const TimerLimits& limits);

  PackedFormat packed() const { return packed_; }
  Timing Run(const GemmKernel& kernel, int64_t m);
  /// The naive path (naive.h). The limits must ask for whole weights.
  Timing RunNaive(int64_t m);

 private:
  // Row groups [0, groups) of a weight.
  struct Slice {
    const PackedWeight* weight;
    int64_t groups;
  };
  std::vector<Slice> Pass(int64_t m) const;
  void Prepare(int64_t m, absl::Span<const Slice> pass);
  Timing Best(int64_t m, absl::Span<const Slice> pass, absl::FunctionRef<void(const Slice&)> run);
  void RunSlice(const GemmKernel& kernel, int64_t m, const Slice& slice);

  const std::vector<const PackedWeight*> weights_;
  const GemmKernels& kernels_;
  ThreadPool& pool_;
  const TimerLimits limits_;
  PackedFormat packed_;
  int64_t max_k_ = 0;
  std::vector<float> x_;        // [m, max_k]
  AlignedBuffer q_;             // QuantizedBlock [m, QuantizedBlocks(max_k)]
  std::vector<uint16_t> bf16_;  // [m, Bf16Stride(max_k)]
  std::vector<float> y_;        // the largest output of a pass
  int64_t prepared_m_ = 0;
};

/// A weight [n, k] of noise to time kernels on: one packed row group again and again, since speed
/// does not depend on values. k must be a multiple of format.k_multiple(). Its data is empty when
/// the memory is not there.
PackedWeight NoiseWeight(const QuantFormat& format, int64_t n, int64_t k);

}  // namespace quantd

#endif  // QUANTD_KERNELS_MEASURE_KERNEL_TIMER_H_
