#ifndef QUANTD_KERNELS_GEMM_NAIVE_H_
#define QUANTD_KERNELS_GEMM_NAIVE_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "kernels/base/isa.h"
#include "kernels/base/thread_pool.h"
#include "kernels/gemm/expand_args.h"
#include "kernels/gemm/gemm.h"

// What low precision costs without kernels for it: weights are dequantized to floats, then
// multiplied as floats. Something to run and time beside the table's kernels; never selected, since
// it does not round activations to int8 and so gives other bits than they do.

namespace quantd {

/// Decodes row groups to the F32 form of the same rows.
struct Expander {
  Isa isa = Isa::kReference;
  ExpandRun run = nullptr;
};
/// Every expander of this build, best first; the last runs everywhere. All give the same bits.
const std::vector<Expander>& Expanders();

/// What an ExpandRun takes for a row group of k weights per row.
ExpandArgs MakeExpandArgs(PackedFormat format, int span, int64_t k, const uint8_t* group,
                          float* out);

/// As RunGemm, by way of floats: each thread decodes a slab of row groups into memory that stays in
/// its cache and multiplies it with the F32 kernel that `kernels` selects. F32 weights are
/// multiplied where they lie. Counts nothing. Every thread keeps its slab (at most 1 MiB, or one
/// row group) for the next call.
void RunNaiveGemm(const GemmKernels& kernels, Activations& x, absl::Span<const GemmOutput> outputs,
                  ThreadPool& pool);

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_NAIVE_H_
