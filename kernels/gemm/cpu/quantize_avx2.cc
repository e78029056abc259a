#include "kernels/gemm/cpu/kernels.h"
#include "kernels/gemm/cpu/quantize_block.h"

namespace quantd::isa_avx2 {

void QuantizeRow(const float* x, int64_t k, QuantizedBlock* blocks) {
  QuantizeBlocks(x, k, blocks);
}

}  // namespace quantd::isa_avx2
