#include "kernels/ops/ops.h"

#include "kernels/ops/ops_kernels.h"

namespace quantd {
namespace {

constexpr OpTable kReferenceOps = {
    Isa::kReference,        "ops_reference",       isa_reference::RmsNorm,
    isa_reference::Rope,    isa_reference::Swiglu, isa_reference::Geglu,
    isa_reference::SoftCap, isa_reference::Add,    isa_reference::Softmax};
#if defined(QUANTD_ISA_KERNELS)
constexpr OpTable kAvx2Ops = {Isa::kAvx2,        "ops_avx2",       isa_avx2::RmsNorm,
                              isa_avx2::Rope,    isa_avx2::Swiglu, isa_avx2::Geglu,
                              isa_avx2::SoftCap, isa_avx2::Add,    isa_avx2::Softmax};
constexpr OpTable kAvx512Ops = {
    Isa::kAvx512Vnni,        "ops_avx512vnni",       isa_avx512vnni::RmsNorm,
    isa_avx512vnni::Rope,    isa_avx512vnni::Swiglu, isa_avx512vnni::Geglu,
    isa_avx512vnni::SoftCap, isa_avx512vnni::Add,    isa_avx512vnni::Softmax};
#endif

}  // namespace

const std::vector<const OpTable*>& OpTables() {
  static const auto* const tables = new std::vector<const OpTable*> {
    &kReferenceOps,
#if defined(QUANTD_ISA_KERNELS)
        &kAvx2Ops, &kAvx512Ops,
#endif
  };
  return *tables;
}

}  // namespace quantd
