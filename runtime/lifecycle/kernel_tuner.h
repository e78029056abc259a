#ifndef QUANTD_RUNTIME_LIFECYCLE_KERNEL_TUNER_H_
#define QUANTD_RUNTIME_LIFECYCLE_KERNEL_TUNER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/kernel_table.h"
#include "runtime/lifecycle/tuning_cache.h"

namespace quantd {

enum class TuningCacheMode : uint8_t { kOff, kReadOnly, kOn };
inline constexpr std::array<const char*, 3> kTuningCacheModes = {"off", "read-only", "on"};

/// Something that a KernelTuner did, for the log.
struct TuningEvent {
  enum class Kind : uint8_t {
    kCalibrated,       ///< kernels were timed
    kReused,           ///< an earlier measurement was read from the cache
    kCacheUnreadable,  ///< `status` says why; kernels are timed instead
    kCacheUnwritable,  ///< `status` says why; the next start times again
  };
  Kind kind;
  std::vector<std::string> formats;
  absl::Duration duration;  ///< of the calibration
  absl::Status status;
  std::string path;  ///< of the cache; "" = off
};

/// Chooses kernels by timing them on the packed weights of a model, once per format in the life of
/// a process, or takes over what a file keeps of an earlier time. Results of products are the same
/// whatever is chosen. Thread-safe: concurrent loads take turns. Must not outlive kernels and pool.
class KernelTuner {
 public:
  struct Options {
    bool calibrate = false;  ///< off: kernels run by rank, and the cache is left alone
    TuningCacheMode cache = TuningCacheMode::kOn;
    std::string folder;                        ///< of the cache; "" = DefaultTuningFolder()
    std::string version;                       ///< of the program
    absl::Duration budget = absl::Seconds(2);  ///< for one Tune
    std::function<void(const TuningEvent&)> listener;
    /// In place of a clock, in tests.
    std::function<double(const GemmKernel&, int64_t m)> time;
  };
  KernelTuner(GemmKernels& kernels, ThreadPool& pool, Options options);

  /// Chooses for the formats of these weights that were not chosen for before.
  void Tune(absl::Span<const PackedWeight* const> weights);

 private:
  std::set<PackedFormat> NewFormats(absl::Span<const PackedWeight* const> weights) const;
  void ReadCache();
  void Reuse(std::set<PackedFormat>* formats);
  void CalibrateFormats(const std::set<PackedFormat>& formats,
                        absl::Span<const PackedWeight* const> weights);
  void WriteCache();
  void Tell(TuningEvent event) const;

  GemmKernels& kernels_;
  ThreadPool& pool_;
  const Options options_;
  TuningKey key_;
  std::string path_;  // "" = no cache
  std::mutex mutex_;  // guards what follows
  bool cache_read_ = false;
  MeasuredChoices cached_;
  std::set<PackedFormat> done_;
};

/// LoadOptions::packed that lets `tuner` choose; it must outlive the load.
std::function<void(absl::Span<const PackedWeight* const>)> TuneFor(KernelTuner& tuner);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_LIFECYCLE_KERNEL_TUNER_H_
