#include "kernels/gemm/gemm.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "kernels/base/check.h"
#include "kernels/gemm/activations.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/kernel_table.h"
#include "kernels/gemm/rows32.h"

namespace quantd {
namespace {

constexpr size_t kMaxOutputs = 8;
// Below this many multiply-adds waking the other threads costs more than they save.
constexpr int64_t kSerialMacs = 64 * 1024;

// One output of the call with what the split over threads needs.
struct Part {
  const GemmKernel* kernel;
  int64_t groups;       // row groups of the weight
  int64_t group_bytes;  // the cost of one: bytes at m = 1, and close to the work at larger m
  GemmArgs args;        // for the whole weight
};

Part MakePart(const GemmKernels& kernels, const GemmOutput& output, Activations& rows,
              ThreadPool& pool) {
  const PackedWeight& w = *output.weight;
  QUANTD_CHECK(w.k == rows.k(), "weights and activations agree in K");
  QUANTD_CHECK(output.y_stride >= w.n || rows.m() == 1, "output rows must not overlap");
  Activations& x = w.k_order.empty() ? rows : ActivationAccess::Reordered(rows, w.k_order, pool);
  Part part;
  part.kernel = kernels.SelectGemm(w.format, w.layout, x.m());
  QUANTD_CHECK(part.kernel != nullptr, "a packed weight has a kernel for every m");
  const int span = PackedSpan(w.format);
  part.groups = (w.n + kGroupRows - 1) / kGroupRows;
  part.group_bytes = Rows32GroupBytes(part.kernel->packed, w.k, span);
  part.args = {w.data.as<uint8_t>(), part.groups, w.n, w.k,      span,           x.m(), x.row(0),
               x.stride(),           nullptr,     0,   output.y, output.y_stride};
  if (part.kernel->activations == ActivationType::kInt8) {
    part.args.q = ActivationAccess::Quantized(x, kernels.quantizer(), pool);
    part.args.q_stride = QuantizedBlocks(x.k());
  } else if (part.kernel->activations == ActivationType::kBF16) {
    part.args.bf16 = ActivationAccess::Rounded(x, pool);
    part.args.bf16_stride = Bf16Stride(x.k());
  }
  return part;
}

// Row groups [begin, end) of a part.
void RunGroups(const Part& part, int64_t begin, int64_t end) {
  if (begin >= end) return;
  GemmArgs args = part.args;
  args.weights += begin * part.group_bytes;
  args.groups = end - begin;
  args.rows = std::min(part.args.rows, end * kGroupRows) - begin * kGroupRows;
  args.y += begin * kGroupRows;
  part.kernel->run(args);
}

// Thread `thread` of `threads` takes an equal share of the bytes of all parts, laid end to end and
// cut at row groups. Cuts depend only on (parts, threads); results do not depend on cuts.
void RunShare(absl::Span<const Part> parts, int64_t total_bytes, int thread, int threads) {
  const int64_t share_begin = total_bytes * thread / threads;
  const int64_t share_end = total_bytes * (thread + 1) / threads;
  int64_t part_begin = 0;
  for (const Part& part : parts) {
    const auto cut = [&](int64_t at) {
      const int64_t groups = (at - part_begin + part.group_bytes - 1) / part.group_bytes;
      return std::clamp<int64_t>(at <= part_begin ? 0 : groups, 0, part.groups);
    };
    RunGroups(part, cut(share_begin), cut(share_end));
    part_begin += part.groups * part.group_bytes;
  }
}

}  // namespace

void RunGemm(const GemmKernels& kernels, Activations& x, absl::Span<const GemmOutput> outputs,
             ThreadPool& pool) {
  QUANTD_CHECK(outputs.size() <= kMaxOutputs, "few enough outputs for a fixed array");
  if (x.m() == 0 || outputs.empty()) return;
  const auto start = std::chrono::steady_clock::now();
  std::array<Part, kMaxOutputs> storage;
  int64_t total_bytes = 0, macs = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    storage[i] = MakePart(kernels, outputs[i], x, pool);
    total_bytes += storage[i].groups * storage[i].group_bytes;
    macs += x.m() * storage[i].args.rows * x.k();
  }
  const absl::Span<const Part> parts(storage.data(), outputs.size());
  if (macs <= kSerialMacs || pool.size() == 1) {
    RunShare(parts, total_bytes, 0, 1);
  } else {
    pool.Run([&](int thread) { RunShare(parts, total_bytes, thread, pool.size()); });
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  for (const Part& part : parts) {
    const int64_t bytes = part.groups * part.group_bytes;
    const double share = static_cast<double>(bytes) / static_cast<double>(total_bytes);
    kernels.Count(part.kernel, seconds.count() * share, 2 * x.m() * part.args.rows * x.k(), bytes);
  }
}

}  // namespace quantd
