#include "kernels/gemm/cpu/expand_rows.h"

namespace quantd::isa_avx512vnni {

void ExpandGroup(const ExpandArgs& args) { ExpandRows(args); }

}  // namespace quantd::isa_avx512vnni
