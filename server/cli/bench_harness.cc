#include "server/cli/bench_harness.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/cli/interrupt.h"

namespace quantd {

absl::StatusOr<std::unique_ptr<BenchHarness>> BenchHarness::Create(Model* model, KvType kv_type,
                                                                   int32_t sequences,
                                                                   int32_t tokens,
                                                                   int32_t step_tokens) {
  const int64_t each = KvBlocksFor(tokens);
  auto pool =
      KvBlockPool::Create(model->kv_layout(kv_type), static_cast<int32_t>(each * sequences));
  if (!pool.ok()) return pool.status();
  std::unique_ptr<BenchHarness> harness(new BenchHarness);
  harness->model_ = model;
  harness->step_tokens_ = step_tokens;
  harness->pool_ = *std::move(pool);
  harness->blocks_.resize(sequences);
  for (auto& blocks : harness->blocks_) {
    for (int64_t i = 0; i < each; ++i) blocks.push_back(harness->pool_->Allocate());
  }
  return harness;
}

absl::Status BenchHarness::Prefill(int32_t sequences, int32_t tokens) {
  for (int32_t sequence = 0; sequence < sequences; ++sequence) {
    for (int32_t done = 0; done < tokens;) {
      const int32_t room = step_tokens_ - static_cast<int32_t>(batch_.rows());
      const int32_t rows = std::min(tokens - done, room);
      AddRows(sequence, done, rows, done + rows == tokens);
      done += rows;
      if (batch_.rows() == step_tokens_) {
        const absl::Status status = RunStep();
        if (!status.ok()) return status;
      }
    }
  }
  return batch_.rows() > 0 ? RunStep() : absl::OkStatus();
}

absl::Status BenchHarness::Decode(int32_t sequences, int32_t context, int32_t steps) {
  for (int32_t step = 0; step < steps; ++step) {
    for (int32_t sequence = 0; sequence < sequences; ++sequence) {
      AddRows(sequence, context + step, 1, true);
    }
    const absl::Status status = RunStep();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void BenchHarness::AddRows(int32_t sequence, int32_t context, int32_t rows, bool logits) {
  const auto vocab = static_cast<uint32_t>(model_->config().vocab);
  const auto first = static_cast<int32_t>(batch_.rows());
  for (int32_t i = 0; i < rows; ++i) {
    batch_.tokens.push_back(static_cast<int32_t>(random_() % vocab));
    batch_.positions.push_back(context + i);
  }
  const auto& blocks = blocks_[sequence];
  batch_.sequences.push_back({static_cast<uint64_t>(sequence),
                              first,
                              rows,
                              context,
                              {blocks.begin(), blocks.begin() + KvBlocksFor(context + rows)}});
  if (logits) batch_.logit_rows.push_back(first + rows - 1);
}

absl::Status BenchHarness::RunStep() {
  if (InterruptScope::Interrupted()) return absl::CancelledError("interrupted");
  const size_t needed = batch_.logit_rows.size() * static_cast<size_t>(model_->config().vocab);
  if (logits_.size() < needed) logits_.resize(needed);
  model_->Forward(batch_, pool_->view(), absl::MakeSpan(logits_.data(), needed));
  batch_ = Batch{};
  return absl::OkStatus();
}

SampleStats Summarize(std::vector<double> samples) {
  SampleStats stats;
  const size_t n = samples.size();
  if (n == 0) return stats;
  std::sort(samples.begin(), samples.end());
  stats.median = n % 2 == 1 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
  if (n == 1) return stats;
  const double mean = std::accumulate(samples.begin(), samples.end(), 0.0) / static_cast<double>(n);
  double squares = 0;
  for (const double sample : samples) squares += (sample - mean) * (sample - mean);
  stats.stddev = std::sqrt(squares / static_cast<double>(n - 1));
  return stats;
}

}  // namespace quantd
