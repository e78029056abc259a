#include "kernels/base/isa.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"

namespace quantd {
namespace {

constexpr uint32_t kReferenceBit = IsaBit(Isa::kReference);
constexpr uint32_t kAvx2Bits = kReferenceBit | IsaBit(Isa::kAvx2);
constexpr uint32_t kAvx512VnniBits = kAvx2Bits | IsaBit(Isa::kAvx512Vnni);
constexpr uint32_t kAvx512Bf16Bits = kAvx512VnniBits | IsaBit(Isa::kAvx512Bf16);

}  // namespace

const std::vector<IsaInfo>& Isas() {
  static const auto* const isas = new std::vector<IsaInfo>{
      {Isa::kReference, "reference", "any processor", kReferenceBit},
      {Isa::kAvx2, "avx2", "AVX2, FMA, F16C", kAvx2Bits},
      {Isa::kAvxVnni, "avxvnni", "AVX2, FMA, F16C, AVX-VNNI", kAvx2Bits | IsaBit(Isa::kAvxVnni)},
      // Processors with AVX-512 VNNI need not have the VEX-encoded AVX-VNNI.
      {Isa::kAvx512Vnni, "avx512vnni", "AVX2, FMA, F16C, AVX-512 F, BW, DQ, VL and VNNI",
       kAvx512VnniBits},
      {Isa::kAvx512Bf16, "avx512bf16", "what avx512vnni needs and AVX-512 BF16", kAvx512Bf16Bits},
      {Isa::kAmx, "amx",
       "what avx512bf16 needs and AMX TILE, INT8 and BF16, which Linux must grant",
       kAvx512Bf16Bits | IsaBit(Isa::kAmx)},
  };
  return *isas;
}

const IsaInfo& Info(Isa isa) {
  for (const IsaInfo& info : Isas()) {
    if (info.isa == isa) return info;
  }
  QUANTD_CHECK(false, "every Isa has a row in Isas()");
  return Isas().front();
}

absl::StatusOr<Isa> ParseIsa(absl::string_view name) {
  std::string known;
  for (const IsaInfo& info : Isas()) {
    if (absl::AsciiStrToLower(name) == info.name) return info.isa;
    absl::StrAppend(&known, known.empty() ? "" : ", ", info.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown instruction set \"", name, "\"; known are: ", known));
}

}  // namespace quantd
