#ifndef QUANTD_RUNTIME_LIFECYCLE_RUNTIME_CONTEXT_H_
#define QUANTD_RUNTIME_LIFECYCLE_RUNTIME_CONTEXT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/base/cpu_placement.h"
#include "kernels/kernel_set.h"
#include "runtime/lifecycle/kernel_tuner.h"

namespace quantd {

/// What everything above kernels/ shares: the probed hardware, the checked kernels and the
/// threads. This header is how the server reaches kernels/: its reports are the plain structs of
/// kernel_set.h and hardware.h. Immutable; must outlive every model.
class RuntimeContext {
 public:
  struct Options {
    int threads = 0;  ///< 0 = one per physical core the process may use
    PlacementOptions placement;
    std::string force_isa;  ///< "" = QUANTD_FORCE_ISA, else no override
    std::string force_kernel;
    std::string inject_kernel_fault;  ///< name of a kernel to fail its self-check; tests only
    KernelTuner::Options tuning;
  };
  /// Confines the calling thread where options.placement asks for that, and sets the memory policy
  /// of the process. Errors: those of KernelSet::Create and PlanPlacement.
  static absl::StatusOr<std::unique_ptr<RuntimeContext>> Create(const Options& options);

  const Hardware& hardware() const { return kernels_->hardware(); }
  KernelSet& kernels() const { return *kernels_; }
  ThreadPool& pool() const { return *pool_; }
  KernelTuner& tuner() const { return *tuner_; }

 private:
  RuntimeContext() = default;
  std::unique_ptr<KernelSet> kernels_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<KernelTuner> tuner_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_LIFECYCLE_RUNTIME_CONTEXT_H_
