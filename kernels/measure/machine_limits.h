#ifndef QUANTD_KERNELS_MEASURE_MACHINE_LIMITS_H_
#define QUANTD_KERNELS_MEASURE_MACHINE_LIMITS_H_

#include <cstdint>
#include <vector>

#include "kernels/base/aligned_buffer.h"
#include "kernels/base/hardware.h"
#include "kernels/base/thread_pool.h"
#include "kernels/gemm/gemm.h"

namespace quantd {

/// What the machine gives at best, measured with all threads of a pool: the yardstick of a
/// measurement in the same process, because it drifts from hour to hour and host to host.
struct MachineLimits {
  double read_bytes_per_s = 0;  ///< streaming reads from memory; 0 = no memory for the probe
  double int8_ops_per_s = 0;    ///< multiply and add count as two; 0 = not measured here
  double bf16_ops_per_s = 0;    ///< products of BF16; 0 = the machine has no instruction for them
  double float_ops_per_s = 0;   ///< fma on F32; 0 = not measured here

  /// That of kernels on these activations.
  double ops_per_s(ActivationType activations) const;
};

/// Reads memory with all threads of a pool, which must outlive it: four times the last cache.
class ReadProbe {
 public:
  ReadProbe(const Hardware& hardware, ThreadPool& pool);
  /// Bytes per second of a few passes, which take some hundredths of a second: of the best, a
  /// limit; of all, what memory gives now, to compare with what else takes its time. 0 when there
  /// is no memory for the probe.
  double Best();
  double Now();

 private:
  std::vector<double> Passes();  ///< seconds of each
  int64_t Begin(int thread) const { return words_ * thread / pool_.size(); }

  ThreadPool& pool_;
  int64_t words_;
  AlignedBuffer buffer_;
};

/// ReadProbe::Best, of a probe made for the purpose.
double MeasureReadBandwidth(const Hardware& hardware, ThreadPool& pool);

/// `isas`: mask of IsaBit(), of those that the hardware has, whose instructions may be used. Takes
/// about half a second.
MachineLimits MeasureMachineLimits(const Hardware& hardware, uint32_t isas, ThreadPool& pool);

}  // namespace quantd

#endif  // QUANTD_KERNELS_MEASURE_MACHINE_LIMITS_H_
