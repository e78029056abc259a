#include "kernels/base/kernel_report.h"

#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"

namespace quantd {
namespace {

std::string Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

KernelOverride KernelOverride::FromEnvironment() {
  return {Environment("QUANTD_FORCE_ISA"), Environment("QUANTD_FORCE_KERNEL")};
}

absl::StatusOr<uint32_t> AllowedIsas(const Hardware& hardware, const std::string& forced) {
  if (forced.empty()) return hardware.isas;
  QUANTD_ASSIGN_OR_RETURN(const Isa isa, ParseIsa(forced));
  if (!hardware.Supports(isa)) {
    return absl::FailedPreconditionError(absl::StrCat("forced instruction set ", forced, " needs ",
                                                      Info(isa).requires_, "; ", hardware.cpu_name,
                                                      " or its operating system lacks it"));
  }
  return hardware.isas & Info(isa).includes;
}

std::string MissingIsaReason(Isa isa) {
  return absl::StrCat("needs ", Info(isa).requires_,
                      ", which this machine lacks or the override excludes");
}

}  // namespace quantd
