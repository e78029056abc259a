#include "runtime/model/forward.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "kernels/base/check.h"

namespace quantd {
namespace {

// Fewer floats than this are quicker done by the calling thread than handed out.
constexpr int64_t kInlineFloats = 16384;
// The most products in one call: q, k and v.
constexpr size_t kMaxProducts = 3;

// Layers with a window rotate by a base of their own, and for positions as they are.
ModelConfig LocalRope(ModelConfig config) {
  config.rope_base = config.local_rope_base;
  config.rope_scaling = RopeScaling::kNone;
  config.rope_factors.clear();
  return config;
}

}  // namespace

ForwardPass::ForwardPass(const ModelConfig& config, const Weights& weights,
                         const KernelSet& kernels, ThreadPool& pool)
    : config_(config),
      weights_(weights),
      kernels_(kernels),
      ops_(kernels.ops()),
      pool_(pool),
      rope_(config),
      experts_(config, kernels, pool) {
  if (config.window > 0 && config.local_rope_base > 0) local_rope_.emplace(LocalRope(config));
  x_.cols = normed_.cols = delta_.cols = config.dim;
  q_.cols = attended_.cols = config.q_dim();
  k_.cols = v_.cols = config.kv_dim();
  scores_.cols = config.experts;
  for (const LayerWeights& layer : weights.layers) {
    if (layer.experts.empty()) gate_.cols = up_.cols = config.ff;
  }
}

void ForwardPass::Run(const Batch& batch, const KvView& kv, absl::Span<float> logits) {
  QUANTD_CHECK(logits.size() >= batch.logit_rows.size() * static_cast<size_t>(config_.vocab),
               "the caller makes room for the logits it asks for");
  Prepare(batch, kv);
  Embed(batch);
  for (int32_t layer = 0; layer < config_.layers; ++layer) RunLayer(layer, batch.logit_rows);
  if (rows_ == 0) return;
  const auto output_input = [&](int64_t row) {
    AddDelta(weights_.layers.back().ffn_post_norm, row);
    Normalize(weights_.output_norm, row);
  };
  SetInput(normed_, output_input);
  if (observer_) observer_(weights_.output(), normed_.row(0), rows_, config_.dim);
  const GemmOutput output = {&weights_.output(), logits.data(), config_.vocab};
  RunGemm(kernels_, activations_, absl::MakeConstSpan(&output, 1), pool_);
  if (config_.logit_soft_cap == 0) return;
  ForRows(rows_, config_.vocab, [&](int64_t row) {
    ops_.soft_cap(logits.data() + row * config_.vocab, config_.logit_soft_cap, config_.vocab);
  });
}

// On exit delta_ is still to be added to the stream, which the next product does on the way.
void ForwardPass::RunLayer(int32_t layer, const std::vector<int32_t>& logit_rows) {
  const LayerWeights& w = weights_.layers[layer];
  const auto attention_input = [&](int64_t row) {
    if (layer > 0) AddDelta(weights_.layers[layer - 1].ffn_post_norm, row);
    Normalize(w.attn_norm, row);
  };
  Multiply(normed_, attention_input, {{&w.q, &q_}, {&w.k, &k_}, {&w.v, &v_}});
  RotateAndStore(layer);
  Attend(layer);
  if (layer + 1 == config_.layers) KeepRows(logit_rows);
  if (rows_ == 0) return;
  Multiply(attended_, {}, {{&w.o, &delta_}});
  FeedForwardBlock(w, [&](int64_t row) {
    AddDelta(w.attn_post_norm, row);
    Normalize(w.ffn_norm, row);
  });
}

void ForwardPass::Prepare(const Batch& batch, const KvView& kv) {
  rows_ = batch.rows();
  kv_ = kv;
  for (WorkMatrix* matrix :
       {&x_, &normed_, &delta_, &q_, &k_, &v_, &attended_, &gate_, &up_, &scores_}) {
    matrix->Reserve(rows_);
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
  if (local_rope_) local_rope_->Reserve(positions);
}

void ForwardPass::Embed(const Batch& batch) {
  ForRows(rows_, config_.dim, [&](int64_t row) {
    const int32_t token = batch.tokens[row];
    QUANTD_CHECK(token >= 0 && token < config_.vocab, "requests are checked before they are run");
    DecodeRow(weights_.embedding, token, x_.row(row));
    if (config_.embedding_scale == 1) return;
    for (int64_t i = 0; i < x_.cols; ++i) x_.row(row)[i] *= config_.embedding_scale;
  });
}

void ForwardPass::SetInput(const WorkMatrix& x, RowMaker make) {
  if (observer_ && make.has_value()) {  // it sees the rows before any product does
    ForRows(rows_, x.cols, *make);
    make.reset();
  }
  activations_.Set(x.row(0), rows_, x.cols, x.cols, make);
}

void ForwardPass::Multiply(const WorkMatrix& x, RowMaker make,
                           std::initializer_list<Product> products) {
  SetInput(x, make);
  std::array<GemmOutput, kMaxProducts> outputs;
  size_t count = 0;
  for (const Product& product : products) {
    outputs[count++] = {&product.linear->weight, product.out->row(0), product.out->cols};
    if (observer_) observer_(product.linear->weight, x.row(0), rows_, x.cols);
  }
  RunGemm(kernels_, activations_, absl::MakeConstSpan(outputs.data(), count), pool_);
  for (const Product& product : products) {
    const std::vector<float>& bias = product.linear->bias;
    if (bias.empty()) continue;
    ForRows(rows_, product.out->cols,
            [&](int64_t row) { ops_.add(product.out->row(row), bias.data(), product.out->cols); });
  }
}

void ForwardPass::NormalizeHeads(int32_t layer, int64_t row) {
  const LayerWeights& w = weights_.layers[layer];
  for (const auto& [heads, norm] : {std::pair(&q_, &w.q_norm), std::pair(&k_, &w.k_norm)}) {
    for (int64_t i = 0; i < heads->cols; i += config_.head_dim) {
      float* const head = heads->row(row) + i;
      ops_.rms_norm(head, norm->data(), config_.rms_eps, config_.head_dim, head);
    }
  }
}

void ForwardPass::RotateAndStore(int32_t layer) {
  const bool local = local_rope_ && config_.window_of(layer) > 0;
  const RopeTable& rope = local ? *local_rope_ : rope_;
  const auto store = kernels_.attention(kv_.layout.type).store;
  ForRows(rows_, q_.cols + 2 * k_.cols, [&](int64_t row) {
    const RowPlace& place = places_[row];
    const float* const cos = rope.cos(place.position);
    const float* const sin = rope.sin(place.position);
    if (config_.qk_norm) NormalizeHeads(layer, row);
    for (const WorkMatrix* heads : {&q_, &k_}) {
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
  const float scale_dim = config_.attention_scale_dim > 0 ? config_.attention_scale_dim
                                                          : static_cast<float>(config_.head_dim);
  call.scale = 1.0f / std::sqrt(scale_dim);
  call.soft_cap = config_.attention_soft_cap;
  call.window = config_.window_of(layer);
  call.sequences = sequences_.data();
  call.sequence_count = static_cast<int64_t>(sequences_.size());
  call.q = q_.row(0);
  call.q_stride = q_.cols;
  call.out = attended_.row(0);
  call.out_stride = attended_.cols;
  kernels_.attention(kv_.layout.type).run(call, pool_);
}

void ForwardPass::FeedForwardBlock(const LayerWeights& layer, RowMaker make) {
  if (!layer.experts.empty()) {
    Multiply(normed_, make, {{&layer.router, &scores_}});
    experts_.Run(layer, normed_, rows_, scores_, delta_, observer_);
    return;
  }
  Multiply(normed_, make, {{&layer.ffn.gate, &gate_}, {&layer.ffn.up, &up_}});
  const auto gate = config_.activation == Activation::kSilu ? ops_.swiglu : ops_.geglu;
  const auto gated = [&](int64_t row) {
    gate(gate_.row(row), up_.row(row), gate_.cols, gate_.row(row));
  };
  Multiply(gate_, gated, {{&layer.ffn.down, &delta_}});
}

void ForwardPass::AddDelta(const std::vector<float>& post, int64_t row) {
  float* const delta = delta_.row(row);
  if (!post.empty()) ops_.rms_norm(delta, post.data(), config_.rms_eps, config_.dim, delta);
  ops_.add(x_.row(row), delta, config_.dim);
}

void ForwardPass::Normalize(const std::vector<float>& norm, int64_t row) {
  ops_.rms_norm(x_.row(row), norm.data(), config_.rms_eps, config_.dim, normed_.row(row));
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
