#ifndef QUANTD_KERNELS_GEMM_GEMM_H_
#define QUANTD_KERNELS_GEMM_GEMM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/base/aligned_buffer.h"
#include "kernels/base/quant_format.h"
#include "kernels/base/thread_pool.h"
#include "kernels/base/weight_source.h"

namespace quantd {

class GemmKernels;
struct GemmKernel;

/// In what form a kernel reads its input rows.
enum class ActivationType : uint8_t {
  kF32,   ///< as they are
  kInt8,  ///< QuantizedBlock (gemm_args.h): int8 codes with a scale per 32
  kBF16,  ///< rounded to BF16
};

/// How the bytes of a packed weight lie in memory. Chosen once at load; every layout has kernels
/// for one row, for batches, and the scalar reference.
enum class WeightLayout : uint8_t {
  kRows32,  ///< 32 output rows interleaved; kernels/README.md gives each format's byte order
};

/// A weight matrix [n, k] repacked for the kernels of one layout. Immutable after Pack, so any
/// number of threads may multiply with it. Move-only.
struct PackedWeight {
  QuantFormat format;
  WeightLayout layout = WeightLayout::kRows32;
  int64_t n = 0;
  int64_t k = 0;
  AlignedBuffer data;
  /// Column c multiplies input feature k_order[c]; empty: feature c.
  std::vector<int32_t> k_order;
  /// Activations of at least this magnitude are multiplied in float; 0: none. See WeightSource.
  float outlier_threshold = 0;

  int64_t bytes() const { return static_cast<int64_t>(data.size()); }
};

/// Reads `source` by slabs of rows, in parallel, into the layout that `kernels` selects for it.
/// Errors: those of the source; UNIMPLEMENTED when no kernel takes the format; RESOURCE_EXHAUSTED
/// when the memory is not there.
absl::StatusOr<PackedWeight> PackWeight(const WeightSource& source, const GemmKernels& kernels,
                                        ThreadPool& pool);

/// Input rows [m, k] of one or more GEMMs. Quantized, and rounded, at most once, however many
/// weights read them (quantized: for each threshold of outliers), and put into a weight's order of
/// features where it has one. Reusable: buffers only grow. Not thread-safe.
class Activations {
 public:
  Activations();
  ~Activations();

  /// Writes row i of the rows: called once for each, on any thread.
  using RowMaker = absl::FunctionRef<void(int64_t i)>;

  /// Borrows x [m, k], `stride` floats between rows, until the next Set; x must not change
  /// meanwhile. Codes made for earlier rows are forgotten. With `make` the rows are not there yet:
  /// the next product has each made right before it converts it, while it is in the cache, in the
  /// same parallel region; until then `make` must live.
  void Set(const float* x, int64_t m, int64_t k, int64_t stride,
           std::optional<RowMaker> make = std::nullopt);

  int64_t m() const { return m_; }
  int64_t k() const { return k_; }
  int64_t stride() const { return stride_; }
  const float* row(int64_t i) const { return x_ + i * stride_; }

 private:
  friend class ActivationAccess;  // kernels/gemm/activations.h: quantizes on first use
  const float* x_ = nullptr;
  std::optional<RowMaker> make_;  // until the rows are made
  int64_t m_ = 0, k_ = 0, stride_ = 0;
  // The rows in int8, for each threshold of outliers that a weight has.
  struct Quantized;
  std::vector<std::unique_ptr<Quantized>> quantized_;
  size_t quantized_used_ = 0;
  bool rounded_ = false;
  AlignedBuffer bf16_;  // uint16_t [m, Bf16Stride(k)], once rounded
  // The rows with their features in another order, for weights that have one.
  struct Reordered;
  std::vector<std::unique_ptr<Reordered>> reordered_;
  size_t reordered_used_ = 0;
};

/// One product of a fused call: y[m, w->n] = x[m, k] * w[n, k]^T.
struct GemmOutput {
  const PackedWeight* weight;
  float* y;          ///< must not alias the activations or another output
  int64_t y_stride;  ///< floats between rows of y, >= weight->n
};

/// Multiplies one set of activations with several weights (q, k and v; gate and up) in one
/// parallel region, with the kernel that `kernels` selects for each (format, layout, m).
/// An output row does not depend on m or on its place in the batch: K is accumulated in one fixed
/// order, then, by k, what the weight's outlier_threshold leaves out. Seconds, operations and bytes
/// are added to the kernels' counters.
void RunGemm(const GemmKernels& kernels, Activations& x, absl::Span<const GemmOutput> outputs,
             ThreadPool& pool);

/// One product of a grouped call: y[rows, w->n] = x[first_row .. first_row + rows, k] * w[n, k]^T.
struct GemmGroup {
  const PackedWeight* weight;
  int64_t first_row, rows;  ///< of the activations; rows >= 1
  float* y;                 ///< of the first of these rows; must not alias anything else
  int64_t y_stride;
};

/// Multiplies ranges of rows each with a weight of its own (the experts of a mixture), in one
/// parallel region. An output row is the same as from RunGemm.
void RunGroupedGemm(const GemmKernels& kernels, Activations& x, absl::Span<const GemmGroup> groups,
                    ThreadPool& pool);

/// Decodes one row of a packed weight into out[k] (token embedding look-up).
void DecodeRow(const PackedWeight& weight, int64_t row, float* out);

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_GEMM_H_
