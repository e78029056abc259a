#include "kernels/gemm/activations.h"

#include <algorithm>

#include "kernels/base/check.h"
#include "kernels/base/float16.h"
#include "kernels/gemm/cpu/quantize_block.h"

namespace quantd {
namespace {

// Below this many values a parallel region costs more than it saves.
constexpr int64_t kSerialValues = 8192;

}  // namespace

void QuantizeRow(const float* x, int64_t k, QuantizedBlock* blocks) {
  ForBlocks(x, k, blocks, QuantizeBlock);
}

void RoundRow(const float* x, int64_t k, uint16_t* out) {
  for (int64_t i = 0; i < k; ++i) out[i] = FloatToBFloat16(x[i]);
  std::fill(out + k, out + Bf16Stride(k), uint16_t{0});
}

struct Activations::Quantized {
  float threshold = 0;
  AlignedBuffer blocks;                        // QuantizedBlock [m, QuantizedBlocks(k)]
  std::vector<std::vector<Outlier>> outliers;  // of each row, and of earlier ones behind them
  bool has_outliers = false;
};

struct Activations::Reordered {
  AlignedBuffer rows;
  Activations view;
};

Activations::Activations() = default;
Activations::~Activations() = default;

void Activations::Set(const float* x, int64_t m, int64_t k, int64_t stride,
                      std::optional<RowMaker> make) {
  QUANTD_CHECK(m >= 0 && k > 0 && stride >= k, "rows of activations must not overlap");
  x_ = x;
  make_.reset();
  if (make.has_value()) make_.emplace(*make);
  m_ = m;
  k_ = k;
  stride_ = stride;
  rounded_ = false;
  quantized_used_ = reordered_used_ = 0;
}

namespace {

// body(i) for the rows of m x k values, over the threads where they are worth it.
void ForRows(int64_t m, int64_t k, ThreadPool& pool, absl::FunctionRef<void(int64_t i)> body) {
  const auto rows = [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) body(i);
  };
  if (m * k <= kSerialValues) {
    rows(0, m, 0);
  } else {
    pool.ParallelFor(m, 1, rows);
  }
}

}  // namespace

void ActivationAccess::Make(Activations& x, ThreadPool& pool) {
  if (!x.make_.has_value()) return;
  ForRows(x.m_, x.k_, pool, *x.make_);
  x.make_.reset();
}

template <class T, class F>
T* ActivationAccess::Convert(Activations& x, int64_t stride, ThreadPool& pool,
                             AlignedBuffer* buffer, const F& convert) {
  const size_t bytes = x.m_ * stride * sizeof(T);
  if (buffer->size() < bytes) *buffer = AlignedBuffer(bytes);
  QUANTD_CHECK(buffer->size() >= bytes, "out of memory for converted activations");
  T* const out = buffer->as<T>();
  ForRows(x.m_, x.k_, pool, [&](int64_t i) {
    if (x.make_.has_value()) (*x.make_)(i);
    convert(i, out + i * stride);
  });
  x.make_.reset();
  return out;
}

Activations& ActivationAccess::Reordered(Activations& x, int64_t first, int64_t count,
                                         absl::Span<const int32_t> order, ThreadPool& pool) {
  Make(x, pool);
  if (x.reordered_used_ == x.reordered_.size()) {
    x.reordered_.push_back(std::make_unique<Activations::Reordered>());
  }
  Activations::Reordered& copy = *x.reordered_[x.reordered_used_++];
  const size_t bytes = count * x.k_ * sizeof(float);
  if (copy.rows.size() < bytes) copy.rows = AlignedBuffer(bytes);
  QUANTD_CHECK(copy.rows.size() >= bytes, "out of memory for reordered activations");
  auto* const rows = copy.rows.as<float>();
  pool.ParallelFor(count, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t c = 0; c < x.k_; ++c) rows[i * x.k_ + c] = x.row(first + i)[order[c]];
    }
  });
  copy.view.Set(rows, count, x.k_, x.k_);
  return copy.view;
}

QuantizedRows ActivationAccess::Quantized(Activations& x, float threshold, QuantizeRun run,
                                          ThreadPool& pool) {
  const auto rows_of = [&](const Activations::Quantized& form) {
    QuantizedRows rows{form.blocks.as<QuantizedBlock>(), {}};
    if (form.has_outliers) rows.outliers = absl::MakeConstSpan(form.outliers).first(x.m_);
    return rows;
  };
  for (size_t i = 0; i < x.quantized_used_; ++i) {
    if (x.quantized_[i]->threshold == threshold) return rows_of(*x.quantized_[i]);
  }
  if (x.quantized_used_ == x.quantized_.size()) {
    x.quantized_.push_back(std::make_unique<Activations::Quantized>());
  }
  Activations::Quantized& form = *x.quantized_[x.quantized_used_++];
  form.threshold = threshold;
  form.has_outliers = false;
  const bool find = threshold > 0;
  if (find && static_cast<int64_t>(form.outliers.size()) < x.m_) form.outliers.resize(x.m_);
  Convert<QuantizedBlock>(x, QuantizedBlocks(x.k_), pool, &form.blocks,
                          [&](int64_t i, QuantizedBlock* out) {
                            if (!find) return run(x.row(i), x.k_, out);
                            thread_local std::vector<float> rest;
                            std::vector<Outlier>& outliers = form.outliers[i];
                            FindOutliers(x.row(i), x.k_, threshold, &outliers, &rest);
                            run(outliers.empty() ? x.row(i) : rest.data(), x.k_, out);
                          });
  for (int64_t i = 0; find && i < x.m_; ++i) form.has_outliers |= !form.outliers[i].empty();
  return rows_of(form);
}

const uint16_t* ActivationAccess::Rounded(Activations& x, ThreadPool& pool) {
  if (x.rounded_) return x.bf16_.as<uint16_t>();
  x.rounded_ = true;
  return Convert<uint16_t>(x, Bf16Stride(x.k_), pool, &x.bf16_,
                           [&](int64_t i, uint16_t* out) { RoundRow(x.row(i), x.k_, out); });
}

}  // namespace quantd
