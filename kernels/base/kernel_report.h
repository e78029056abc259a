#ifndef QUANTD_KERNELS_BASE_KERNEL_REPORT_H_
#define QUANTD_KERNELS_BASE_KERNEL_REPORT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/base/hardware.h"

namespace quantd {

/// A choice forced from outside. Naming something this machine or this build cannot run is an
/// error at KernelSet::Create, never a silent fallback.
struct KernelOverride {
  std::string isa;  ///< QUANTD_FORCE_ISA: the best kernel within this instruction set; "" = all
  /// QUANTD_FORCE_KERNEL: this GEMM kernel for the format and the m it takes; "" = none
  std::string kernel;

  /// Reads QUANTD_FORCE_ISA and QUANTD_FORCE_KERNEL.
  static KernelOverride FromEnvironment();
};

/// Mask of IsaBit() that hardware and a forced instruction set ("" = none) leave.
/// Errors: INVALID_ARGUMENT for an unknown name, FAILED_PRECONDITION when the machine lacks it.
absl::StatusOr<uint32_t> AllowedIsas(const Hardware& hardware, const std::string& forced);

/// One line of the kernel report: a kernel of this build, and what became of it here.
struct KernelStatus {
  std::string op;      ///< "gemm", "attention", "rms_norm", ...
  std::string kernel;  ///< e.g. "gemm_q4_0_avx512vnni_batch"; the row's unique name
  std::string format;  ///< weight or KV format; "F32" for plain ops
  std::string isa;
  int64_t min_m = 1;  ///< smallest and largest number of input rows (max 0 = unbounded)
  int64_t max_m = 0;
  bool native = false;    ///< the processor multiplies this type itself; else unpacked or emulated
  std::string how;        ///< e.g. "vpdpbusd on nibbles unpacked in registers"
  bool feasible = false;  ///< this machine and override can run it
  bool quarantined = false;  ///< disagreed with the reference at start-up
  bool selected = false;     ///< what runs for some m
  std::string chosen_by;     ///< "ranked", "measured" or "forced"; "" when not selected
  std::string reason;        ///< why not feasible / not selected / quarantined; "" when selected
};

/// Totals of one kernel since the process started.
struct KernelCounters {
  std::string op;      ///< "gemm", "attention" or "ops"; only "gemm" has time and work
  std::string kernel;  ///< as in the report; for "ops" the table, e.g. "ops_avx2"
  double seconds = 0;  ///< wall time of the parallel regions it ran in, shared by share of work
  uint64_t ops = 0;    ///< 2 * m * n * k
  uint64_t bytes = 0;  ///< packed weight bytes read
  uint64_t selfcheck_failures = 0;
  bool quarantined = false;
};

/// Reasons of the report that all operations share.
std::string MissingIsaReason(Isa isa);
inline constexpr char kDisagreedReason[] = "disagreed with the scalar reference at start-up";

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_KERNEL_REPORT_H_
