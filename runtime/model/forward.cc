#include "runtime/model/forward.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/base/check.h"

namespace quantd {
namespace {

// Fewer floats than this are quicker done by the calling thread than handed out.
constexpr int64_t kInlineFloats = 16384;
// Floats that a thread takes at least of a flat range; a multiple of every vector width.
constexpr int64_t kRangeGrain = 1024;
// The most products in one call: q, k and v.
constexpr size_t kMaxProducts = 3;

}  // namespace

ForwardPass::ForwardPass(const ModelConfig& config, const Weights& weights,
                         const KernelSet& kernels, ThreadPool& pool)
    : config_(config),
      weights_(weights),
      kernels_(kernels),
      ops_(kernels.ops()),
      pool_(pool),
      rope_(config) {
  x_.cols = normed_.cols = delta_.cols = config.dim;
  q_.cols = attended_.cols = config.q_dim();
  k_.cols = v_.cols = config.kv_dim();
  gate_.cols = up_.cols = config.ff;
}

void ForwardPass::Run(const Batch& batch, const KvView& kv, absl::Span<float> logits) {
  QUANTD_CHECK(logits.size() >= batch.logit_rows.size() * static_cast<size_t>(config_.vocab),
               "the caller makes room for the logits it asks for");
  Prepare(batch, kv);
  Embed(batch);
  ForRows(rows_, config_.dim, [&](int64_t row) {
    ops_.rms_norm(x_.row(row), weights_.layers[0].attn_norm.data(), config_.rms_eps, config_.dim,
                  normed_.row(row));
  });
  for (int32_t layer = 0; layer < config_.layers; ++layer) RunLayer(layer, batch.logit_rows);
  if (rows_ == 0) return;
  if (observer_) observer_(weights_.output(), normed_.row(0), rows_, config_.dim);
  activations_.Set(normed_.row(0), rows_, config_.dim, config_.dim);
  const GemmOutput output = {&weights_.output(), logits.data(), config_.vocab};
  RunGemm(kernels_, activations_, absl::MakeConstSpan(&output, 1), pool_);
}

// On entry the stream is normalized; on exit too, with the norm of what comes next.
void ForwardPass::RunLayer(int32_t layer, const std::vector<int32_t>& logit_rows) {
  const LayerWeights& w = weights_.layers[layer];
  const bool last = layer + 1 == config_.layers;
  Multiply(normed_, {{&w.q, &q_}, {&w.k, &k_}, {&w.v, &v_}});
  RotateAndStore(layer);
  Attend(layer);
  if (last) KeepRows(logit_rows);
  if (rows_ == 0) return;
  Multiply(attended_, {{&w.o, &delta_}});
  AddAndNormalize(w.ffn_norm);

  Multiply(normed_, {{&w.gate, &gate_}, {&w.up, &up_}});
  Gate();
  Multiply(gate_, {{&w.down, &delta_}});
  AddAndNormalize(last ? weights_.output_norm : weights_.layers[layer + 1].attn_norm);
}

void ForwardPass::Prepare(const Batch& batch, const KvView& kv) {
  rows_ = batch.rows();
  kv_ = kv;
  for (Matrix* matrix : {&x_, &normed_, &delta_, &q_, &k_, &v_, &attended_, &gate_, &up_}) {
    const size_t bytes = static_cast<size_t>(rows_ * matrix->cols) * sizeof(float);
    if (matrix->buffer.size() < bytes) matrix->buffer = AlignedBuffer(bytes);
  }
  PlaceRows(batch);
}

void ForwardPass::PlaceRows(const Batch& batch) {
  QUANTD_CHECK(batch.positions.size() == batch.tokens.size(), "a batch gives every row a position");
  places_.assign(rows_, {});
  sequences_.clear();
  int64_t positions = 0;
  for (const BatchSequence& sequence : batch.sequences) {
    const int64_t end = int64_t{sequence.context} + sequence.rows;
    QUANTD_CHECK(sequence.first_row >= 0 && sequence.first_row + sequence.rows <= rows_,
                 "a sequence's rows lie in the batch");
    QUANTD_CHECK(static_cast<int64_t>(sequence.blocks.size()) * kKvBlockTokens >= end,
                 "a sequence has blocks for its rows, or they would overwrite another's");
    for (int32_t i = 0; i < sequence.rows; ++i) {
      const int32_t row = sequence.first_row + i;
      QUANTD_CHECK(batch.positions[row] == sequence.context + i, "positions follow the context");
      places_[row] = {sequence.blocks.data(), batch.positions[row]};
    }
    sequences_.push_back(
        {sequence.first_row, sequence.rows, sequence.context, sequence.blocks.data()});
    positions = std::max(positions, end);
  }
  for (const RowPlace& place : places_) {
    QUANTD_CHECK(place.blocks != nullptr, "every row belongs to a sequence");
  }
  rope_.Reserve(positions);
}

void ForwardPass::Embed(const Batch& batch) {
  ForRows(rows_, config_.dim, [&](int64_t row) {
    const int32_t token = batch.tokens[row];
    QUANTD_CHECK(token >= 0 && token < config_.vocab, "requests are checked before they are run");
    DecodeRow(weights_.embedding, token, x_.row(row));
  });
}

void ForwardPass::Multiply(const Matrix& x, std::initializer_list<Product> products) {
  std::array<GemmOutput, kMaxProducts> outputs;
  size_t count = 0;
  for (const Product& product : products) {
    outputs[count++] = {&product.linear->weight, product.out->row(0), product.out->cols};
    if (observer_) observer_(product.linear->weight, x.row(0), rows_, x.cols);
  }
  activations_.Set(x.row(0), rows_, x.cols, x.cols);
  RunGemm(kernels_, activations_, absl::MakeConstSpan(outputs.data(), count), pool_);
  for (const Product& product : products) {
    const std::vector<float>& bias = product.linear->bias;
    if (bias.empty()) continue;
    ForRows(rows_, product.out->cols,
            [&](int64_t row) { ops_.add(product.out->row(row), bias.data(), product.out->cols); });
  }
}

void ForwardPass::RotateAndStore(int32_t layer) {
  const auto store = kernels_.attention(kv_.layout.type).store;
  ForRows(rows_, q_.cols + 2 * k_.cols, [&](int64_t row) {
    const RowPlace& place = places_[row];
    const float* const cos = rope_.cos(place.position);
    const float* const sin = rope_.sin(place.position);
    for (const Matrix* heads : {&q_, &k_}) {
      for (int64_t i = 0; i < heads->cols; i += config_.head_dim) {
        ops_.rope(heads->row(row) + i, cos, sin, config_.rope_dim, config_.rope_adjacent);
      }
    }
    store(kv_, layer, place.blocks, place.position, k_.row(row), v_.row(row));
  });
}

void ForwardPass::Attend(int32_t layer) {
  AttentionCall call;
  call.kv = kv_;
  call.layer = layer;
  call.heads = config_.heads;
  call.scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
  call.sequences = sequences_.data();
  call.sequence_count = static_cast<int64_t>(sequences_.size());
  call.q = q_.row(0);
  call.q_stride = q_.cols;
  call.out = attended_.row(0);
  call.out_stride = attended_.cols;
  kernels_.attention(kv_.layout.type).run(call, pool_);
}

void ForwardPass::Gate() {
  const int64_t floats = rows_ * gate_.cols;
  const auto range = [&](int64_t begin, int64_t end, int) {
    ops_.swiglu(gate_.row(0) + begin, up_.row(0) + begin, end - begin, gate_.row(0) + begin);
  };
  if (floats < kInlineFloats) {
    range(0, floats, 0);
  } else {
    pool_.ParallelFor(floats, kRangeGrain, range);
  }
}

void ForwardPass::AddAndNormalize(const std::vector<float>& norm) {
  ForRows(rows_, 2 * config_.dim, [&](int64_t row) {
    ops_.add(x_.row(row), delta_.row(row), config_.dim);
    ops_.rms_norm(x_.row(row), norm.data(), config_.rms_eps, config_.dim, normed_.row(row));
  });
}

// What comes behind the last attention is a row's own affair: only rows whose logits are wanted go
// on, side by side.
void ForwardPass::KeepRows(const std::vector<int32_t>& rows) {
  int64_t kept = 0;
  for (const int32_t row : rows) {
    // They ascend, so no row is overwritten before it has moved.
    QUANTD_CHECK(row >= kept && row < rows_, "logit rows ascend within the batch");
    if (row != kept) {
      std::copy_n(x_.row(row), x_.cols, x_.row(kept));
      std::copy_n(attended_.row(row), attended_.cols, attended_.row(kept));
    }
    ++kept;
  }
  rows_ = kept;
}

void ForwardPass::ForRows(int64_t rows, int64_t floats, absl::FunctionRef<void(int64_t row)> body) {
  const auto range = [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) body(row);
  };
  if (rows * floats < kInlineFloats) {
    range(0, rows, 0);
  } else {
    pool_.ParallelFor(rows, 1, range);
  }
}

}  // namespace quantd
