#include "kernels/gemm/activations.h"

#include "kernels/base/check.h"
#include "kernels/gemm/cpu/quantize_block.h"

namespace quantd {
namespace {

// Below this many values a parallel region costs more than it saves.
constexpr int64_t kSerialValues = 8192;

}  // namespace

void QuantizeRow(const float* x, int64_t k, QuantizedBlock* blocks) {
  ForBlocks(x, k, blocks, QuantizeBlock);
}

struct Activations::Reordered {
  AlignedBuffer rows;
  Activations view;
};

Activations::Activations() = default;
Activations::~Activations() = default;

void Activations::Set(const float* x, int64_t m, int64_t k, int64_t stride) {
  QUANTD_CHECK(m >= 0 && k > 0 && stride >= k, "rows of activations must not overlap");
  x_ = x;
  m_ = m;
  k_ = k;
  stride_ = stride;
  quantized_ = false;
  reordered_used_ = 0;
}

Activations& ActivationAccess::Reordered(Activations& x, absl::Span<const int32_t> order,
                                         ThreadPool& pool) {
  if (x.reordered_used_ == x.reordered_.size()) {
    x.reordered_.push_back(std::make_unique<Activations::Reordered>());
  }
  Activations::Reordered& copy = *x.reordered_[x.reordered_used_++];
  const size_t bytes = x.m_ * x.k_ * sizeof(float);
  if (copy.rows.size() < bytes) copy.rows = AlignedBuffer(bytes);
  QUANTD_CHECK(copy.rows.size() >= bytes, "out of memory for reordered activations");
  auto* const rows = copy.rows.as<float>();
  pool.ParallelFor(x.m_, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t c = 0; c < x.k_; ++c) rows[i * x.k_ + c] = x.row(i)[order[c]];
    }
  });
  copy.view.Set(rows, x.m_, x.k_, x.k_);
  return copy.view;
}

const QuantizedBlock* ActivationAccess::Quantized(Activations& x, QuantizeRun run,
                                                  ThreadPool& pool) {
  const int64_t blocks = QuantizedBlocks(x.k_);
  const size_t bytes = x.m_ * blocks * sizeof(QuantizedBlock);
  if (x.quantized_) return x.blocks_.as<QuantizedBlock>();
  if (x.blocks_.size() < bytes) x.blocks_ = AlignedBuffer(bytes);
  QUANTD_CHECK(x.blocks_.size() >= bytes, "out of memory for quantized activations");
  auto* const out = x.blocks_.as<QuantizedBlock>();
  const auto quantize = [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) run(x.row(i), x.k_, out + i * blocks);
  };
  if (x.m_ * x.k_ <= kSerialValues) {
    quantize(0, x.m_, 0);
  } else {
    pool.ParallelFor(x.m_, 1, quantize);
  }
  x.quantized_ = true;
  return out;
}

}  // namespace quantd
