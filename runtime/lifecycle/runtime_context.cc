#include "runtime/lifecycle/runtime_context.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "kernels/base/thread_pool.h"

namespace quantd {
namespace {

constexpr int kMaxThreads = 1024;

}  // namespace

absl::StatusOr<std::unique_ptr<RuntimeContext>> RuntimeContext::Create(const Options& options) {
  if (options.threads < 0 || options.threads > kMaxThreads) {
    return absl::InvalidArgumentError(absl::StrCat("threads: ", options.threads, " is not 0 to ",
                                                   kMaxThreads, " (0 = one per physical core)"));
  }
  KernelOverride forced = KernelOverride::FromEnvironment();
  if (!options.force_isa.empty()) forced.isa = options.force_isa;
  if (!options.force_kernel.empty()) forced.kernel = options.force_kernel;

  std::unique_ptr<RuntimeContext> context(new RuntimeContext);
  QUANTD_ASSIGN_OR_RETURN(context->kernels_,
                          KernelSet::Create(ProbeHardware(), forced, options.inject_kernel_fault));
  QUANTD_ASSIGN_OR_RETURN(
      const Placement placement,
      PlanPlacement(options.placement, options.threads, ProbePlacementMachine()));
  QUANTD_RETURN_IF_ERROR(SetMemoryPolicy(placement.memory));
  if (!placement.confined.empty()) QUANTD_RETURN_IF_ERROR(ConfineThread(placement.confined));
  context->pool_ = std::make_unique<ThreadPool>(placement.threads);
  if (!placement.pinned.empty()) QUANTD_RETURN_IF_ERROR(context->pool_->Pin(placement.pinned));
  context->tuner_ =
      std::make_unique<KernelTuner>(*context->kernels_, *context->pool_, options.tuning);
  return context;
}

}  // namespace quantd
