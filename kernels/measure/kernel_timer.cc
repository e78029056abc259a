#include "kernels/measure/kernel_timer.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "kernels/base/check.h"
#include "kernels/base/noise.h"
#include "kernels/gemm/activations.h"
#include "kernels/gemm/naive.h"
#include "kernels/gemm/noise_tensor.h"
#include "kernels/gemm/rows32.h"

namespace quantd {
namespace {

int64_t GroupsOf(const PackedWeight& weight) { return (weight.n + kGroupRows - 1) / kGroupRows; }

int64_t GroupBytes(const PackedWeight& weight) {
  return Rows32GroupBytes(*ToPackedFormat(weight.format), weight.k, PackedSpan(weight.format));
}

}  // namespace

KernelTimer::KernelTimer(absl::Span<const PackedWeight* const> weights, const GemmKernels& kernels,
                         ThreadPool& pool, const TimerLimits& limits)
    : weights_(weights.begin(), weights.end()), kernels_(kernels), pool_(pool), limits_(limits) {
  QUANTD_CHECK(!weights_.empty(), "something to time");
  packed_ = *ToPackedFormat(weights_.front()->format);
  for (const PackedWeight* weight : weights_) max_k_ = std::max(max_k_, weight->k);
}

// Weights in turn, none more than a quarter of the pass unless it must be whole, until enough is
// read or multiplied.
std::vector<KernelTimer::Slice> KernelTimer::Pass(int64_t m) const {
  std::vector<Slice> pass;
  int64_t bytes = limits_.bytes, macs = limits_.macs;
  for (const PackedWeight* weight : weights_) {
    const int64_t group_macs = m * kGroupRows * weight->k;
    const int64_t by_bytes = limits_.bytes / 4 / GroupBytes(*weight);
    const int64_t by_macs = limits_.macs / 4 / group_macs;
    const int64_t least = 2 * int64_t{pool_.size()};  // so that every thread has work
    const int64_t most = std::max(least, std::min(by_bytes, by_macs));
    const int64_t groups = limits_.whole ? GroupsOf(*weight) : std::min(GroupsOf(*weight), most);
    pass.push_back({weight, groups});
    bytes -= groups * GroupBytes(*weight);
    macs -= groups * group_macs;
    if (bytes <= 0 || macs <= 0) break;
  }
  return pass;
}

void KernelTimer::Prepare(int64_t m, absl::Span<const Slice> pass) {
  if (m > prepared_m_) {
    Noise noise;
    x_ = noise.Uniform(m * max_k_, 1.0f);
    const int64_t blocks = QuantizedBlocks(max_k_);
    q_ = AlignedBuffer(m * blocks * sizeof(QuantizedBlock));
    bf16_.resize(m * Bf16Stride(max_k_));
    QUANTD_CHECK(q_.data() != nullptr, "out of memory for quantized activations");
    for (int64_t i = 0; i < m; ++i) {
      RoundRow(&x_[i * max_k_], max_k_, &bf16_[i * Bf16Stride(max_k_)]);
      kernels_.quantizer()(&x_[i * max_k_], max_k_, q_.as<QuantizedBlock>() + i * blocks);
    }
    prepared_m_ = m;
  }
  int64_t rows = 0;
  for (const Slice& slice : pass) rows = std::max(rows, slice.groups * kGroupRows);
  if (static_cast<int64_t>(y_.size()) < m * rows) y_.resize(m * rows);
}

void KernelTimer::RunSlice(const GemmKernel& kernel, int64_t m, const Slice& slice) {
  const PackedWeight& w = *slice.weight;
  const int64_t group_bytes = GroupBytes(w), rows = slice.groups * kGroupRows;
  pool_.ParallelFor(slice.groups, 1, [&](int64_t begin, int64_t end, int) {
    GemmArgs args{};
    args.weights = w.data.as<uint8_t>() + begin * group_bytes;
    args.groups = end - begin;
    args.rows = (end - begin) * kGroupRows;
    args.k = w.k;
    args.span = PackedSpan(w.format);
    args.m = m;
    args.x = x_.data();
    args.x_stride = max_k_;
    args.q = q_.as<QuantizedBlock>();
    args.q_stride = QuantizedBlocks(max_k_);
    args.y = y_.data() + begin * kGroupRows;
    args.y_stride = rows;
    args.bf16 = bf16_.data();
    args.bf16_stride = Bf16Stride(max_k_);
    args.fetch_ahead = kernels_.hardware().fetch_ahead;
    kernel.run(args);
  });
}

Timing KernelTimer::Best(int64_t m, absl::Span<const Slice> pass,
                         absl::FunctionRef<void(const Slice&)> run) {
  Timing timing;
  for (const Slice& slice : pass) {
    timing.bytes += static_cast<double>(slice.groups * GroupBytes(*slice.weight));
    timing.ops += 2.0 * static_cast<double>(m * slice.groups * kGroupRows * slice.weight->k);
  }
  run(pass.front());  // warms code and buffers up
  for (int i = 0; i < limits_.repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    for (const Slice& slice : pass) run(slice);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (i == 0 || seconds.count() < timing.seconds) timing.seconds = seconds.count();
  }
  return timing;
}

Timing KernelTimer::Run(const GemmKernel& kernel, int64_t m) {
  QUANTD_CHECK(kernel.packed == packed_ && kernel.TakesM(m), "a kernel for these weights");
  const std::vector<Slice> pass = Pass(m);
  Prepare(m, pass);
  return Best(m, pass, [&](const Slice& slice) { RunSlice(kernel, m, slice); });
}

Timing KernelTimer::RunNaive(int64_t m) {
  QUANTD_CHECK(limits_.whole, "the naive path takes whole weights");
  const std::vector<Slice> pass = Pass(m);
  Prepare(m, pass);
  return Best(m, pass, [&](const Slice& slice) {
    Activations x;
    x.Set(x_.data(), m, slice.weight->k, max_k_);
    const GemmOutput output{slice.weight, y_.data(), slice.groups * kGroupRows};
    RunNaiveGemm(kernels_, x, {&output, 1}, pool_);
  });
}

PackedWeight NoiseWeight(const QuantFormat& format, int64_t n, int64_t k) {
  PackedWeight weight;
  weight.format = format;
  weight.n = n;
  weight.k = k;
  const PackedFormat packed = *ToPackedFormat(format);
  const int64_t group_bytes = GroupBytes(weight), groups = GroupsOf(weight);
  AlignedBuffer group(group_bytes);
  weight.data = AlignedBuffer(groups * group_bytes);
  if (group.data() == nullptr || weight.data.data() == nullptr) {
    weight.data = AlignedBuffer();
    return weight;
  }
  Noise noise;
  PackRows32(packed, NoiseTensor(format, kGroupRows, k, &noise), 0, group.as<uint8_t>());
  for (int64_t at = 0; at < groups; ++at) {
    std::memcpy(weight.data.as<uint8_t>() + at * group_bytes, group.data(), group_bytes);
  }
  return weight;
}

}  // namespace quantd
