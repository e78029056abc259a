#ifndef QUANTD_KERNELS_BASE_ISA_H_
#define QUANTD_KERNELS_BASE_ISA_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantd {

/// Instruction sets that kernels are written for. Each is one set of compiler flags.
enum class Isa : uint8_t { kReference, kAvx2, kAvxVnni, kAvx512Vnni, kAvx512Bf16, kAmx };

/// What an Isa is called on the command line, which others it contains, and what it needs.
struct IsaInfo {
  Isa isa;
  const char* name;       ///< as in QUANTD_FORCE_ISA
  const char* requires_;  ///< CPU features, for people
  uint32_t includes;      ///< bit mask of (1 << Isa) whose kernels also run, itself included
};

/// All instruction sets, weakest first.
const std::vector<IsaInfo>& Isas();
const IsaInfo& Info(Isa isa);

/// Errors: INVALID_ARGUMENT listing the known names.
absl::StatusOr<Isa> ParseIsa(absl::string_view name);

inline constexpr uint32_t IsaBit(Isa isa) { return 1u << static_cast<uint32_t>(isa); }

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_ISA_H_
