#ifndef QUANTD_KERNELS_GEMM_GEMM_KERNELS_H_
#define QUANTD_KERNELS_GEMM_GEMM_KERNELS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/base/kernel_report.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_args.h"
#include "kernels/gemm/select.h"

namespace quantd {

/// The matrix products this process may use: THE table filtered by hardware, override and a
/// self-check of every selected kernel against the scalar reference. Thread-safe; after Create only
/// counters change, and choices when measurements are adopted, between kernels that give the same
/// bits. Lives as long as every weight that was packed with it. Movable until someone refers to
/// it.
class GemmKernels {
 public:
  /// `inject_fault`: name of a kernel whose self-check result is spoiled (tests of quarantine).
  /// Errors: INVALID_ARGUMENT for an unknown name in `forced`, FAILED_PRECONDITION when this
  /// machine cannot run it, INTERNAL when a forced kernel fails its self-check.
  static absl::StatusOr<GemmKernels> Create(const Hardware& hardware, const KernelOverride& forced,
                                            const std::string& inject_fault = "");
  GemmKernels(GemmKernels&&) noexcept;
  GemmKernels& operator=(GemmKernels&&) noexcept;
  ~GemmKernels();

  /// The GEMM kernel for m input rows of a weight; never null for a format of the table.
  const GemmKernel* SelectGemm(const QuantFormat& format, WeightLayout layout, int64_t m) const;
  bool SupportsFormat(const QuantFormat& format) const;

  /// The rows between which measurement may choose: those that can run here, take m and agree with
  /// the reference (checked now, if not before), best rank first; the reference only alone.
  std::vector<const GemmKernel*> Candidates(PackedFormat packed, WeightLayout layout, int64_t m);
  /// Lets `measured` choose from now on, beside what was adopted before. Kernels that are no
  /// candidates are passed over.
  void Adopt(const MeasuredChoices& measured);
  MeasuredChoices measured() const;

  /// How activations are quantized for the kernels that multiply integers.
  QuantizeRun quantizer() const;

  const Hardware& hardware() const;
  const KernelOverride& forced() const;
  /// Mask of IsaBit() that hardware and override leave.
  uint32_t isas() const;

  /// One line per row of the table, in its order.
  std::vector<KernelStatus> GemmReport() const;
  std::vector<KernelCounters> GemmCounters() const;
  /// Adds one GEMM call to the counters of `kernel`. Wait-free.
  void Count(const GemmKernel* kernel, double seconds, uint64_t ops, uint64_t bytes) const;

 private:
  GemmKernels();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Name, ISA, native flag and explanation of a row, for reports above kernels/.
struct GemmKernelInfo {
  std::string name, isa, how;
  bool native;
};
GemmKernelInfo Describe(const GemmKernel& kernel);

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_GEMM_KERNELS_H_
