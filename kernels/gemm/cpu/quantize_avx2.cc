#include "kernels/gemm/cpu/kernels.h"
#include "kernels/gemm/cpu/quantize_block.h"

namespace quantd::isa_avx2 {

void QuantizeRow(const float* x, int64_t k, QuantizedBlock* blocks) {
  ForBlocks(x, k, blocks, QuantizeBlock);
}

}  // namespace quantd::isa_avx2
