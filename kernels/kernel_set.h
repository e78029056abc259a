#ifndef QUANTD_KERNELS_KERNEL_SET_H_
#define QUANTD_KERNELS_KERNEL_SET_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/attention/attention.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/ops/ops.h"

namespace quantd {

/// What of all kernels this process may use: matrix products, operations and attention, each
/// filtered by hardware, override and a self-check against the scalar reference. Immutable after
/// Create but for counters; thread-safe. Lives as long as every model that was packed with it.
class KernelSet : public GemmKernels {
 public:
  /// `inject_fault`: name of a kernel whose self-check result is spoiled (tests of quarantine): a
  /// row of the report, or a table of operations, "ops_<isa>". Errors: those of
  /// GemmKernels::Create.
  static absl::StatusOr<std::unique_ptr<KernelSet>> Create(const Hardware& hardware,
                                                           const KernelOverride& forced,
                                                           const std::string& inject_fault = "");

  const OpTable& ops() const { return *ops_; }
  const AttentionKernel& attention(KvType type) const {
    return *attention_.at(static_cast<size_t>(type));
  }

  /// Every kernel of this build: matrix products, attention, operations.
  std::vector<KernelStatus> Report() const;
  /// As Report, but a table of operations counts as one kernel.
  std::vector<KernelCounters> Counters() const;

 private:
  explicit KernelSet(GemmKernels gemm) : GemmKernels(std::move(gemm)) {}
  void ChooseOps(const std::string& inject_fault);
  void ChooseAttention(const std::string& inject_fault);
  KernelStatus PlainStatus(const std::string& checked, Isa isa, bool chosen) const;

  const OpTable* ops_ = nullptr;
  std::vector<const AttentionKernel*> attention_;  // by KvType
  // Tables of operations and attention kernels that failed their self-check, by name, and why.
  std::map<std::string, std::string> quarantined_;
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_KERNEL_SET_H_
