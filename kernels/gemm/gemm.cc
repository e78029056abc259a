#include "kernels/gemm/gemm.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <vector>

#include "kernels/base/check.h"
#include "kernels/gemm/activations.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/kernel_table.h"
#include "kernels/gemm/outliers.h"
#include "kernels/gemm/rows32.h"

namespace quantd {
namespace {

constexpr size_t kMaxOutputs = 8;
// Below this many multiply-adds waking the other threads costs more than they save.
constexpr int64_t kSerialMacs = 64 * 1024;
// Of weights, in a second-level cache beside activations.
constexpr int64_t kSlabBytes = 512 * 1024;

// One output of the call with what the split over threads needs.
struct Part {
  const GemmKernel* kernel;
  int64_t groups;       // row groups of the weight
  int64_t group_bytes;  // of one
  int64_t group_cost;   // bytes at m = 1, and close to the work at larger m
  GemmArgs args;        // for the whole weight
  absl::Span<const std::vector<Outlier>> outliers;  // of its input rows, or empty
};

Part MakePart(const GemmKernels& kernels, const GemmGroup& output, Activations& rows,
              ThreadPool& pool) {
  const PackedWeight& w = *output.weight;
  const int64_t m = output.rows;
  int64_t first = output.first_row;
  QUANTD_CHECK(w.k == rows.k(), "weights and activations agree in K");
  QUANTD_CHECK(first >= 0 && m >= 1 && first + m <= rows.m(), "rows lie in the activations");
  QUANTD_CHECK(output.y_stride >= w.n || m == 1, "output rows must not overlap");
  const bool in_order = w.k_order.empty();
  Activations& x = in_order ? rows : ActivationAccess::Reordered(rows, first, m, w.k_order, pool);
  if (!in_order) first = 0;
  Part part;
  part.kernel = kernels.SelectGemm(w.format, w.layout, m);
  QUANTD_CHECK(part.kernel != nullptr, "a packed weight has a kernel for every m");
  const int span = PackedSpan(w.format);
  part.groups = (w.n + kGroupRows - 1) / kGroupRows;
  part.group_bytes = Rows32GroupBytes(part.kernel->packed, w.k, span);
  part.group_cost = part.group_bytes * m;
  part.args = {w.data.as<uint8_t>(), part.groups, w.n,     w.k, span,     m,
               x.row(first),         x.stride(),  nullptr, 0,   output.y, output.y_stride};
  part.args.fetch_ahead = kernels.hardware().fetch_ahead;
  if (part.kernel->activations == ActivationType::kInt8) {
    const QuantizedRows quantized =
        ActivationAccess::Quantized(x, w.outlier_threshold, kernels.quantizer(), pool);
    part.args.q_stride = QuantizedBlocks(x.k());
    part.args.q = quantized.blocks + first * part.args.q_stride;
    if (!quantized.outliers.empty()) part.outliers = quantized.outliers.subspan(first, m);
  } else if (part.kernel->activations == ActivationType::kBF16) {
    part.args.bf16_stride = Bf16Stride(x.k());
    part.args.bf16 = ActivationAccess::Rounded(x, pool) + first * part.args.bf16_stride;
  } else {
    ActivationAccess::Make(x, pool);
  }
  return part;
}

// Row groups [begin, end) of a part, begin < end.
void RunSlab(const Part& part, int64_t begin, int64_t end) {
  GemmArgs args = part.args;
  args.weights += begin * part.group_bytes;
  args.groups = end - begin;
  args.rows = std::min(part.args.rows, end * kGroupRows) - begin * kGroupRows;
  args.y += begin * kGroupRows;
  part.kernel->run(args);
  if (!part.outliers.empty()) AddOutliers(args, part.outliers);
}

// Row groups [begin, end) of a part.
void RunGroups(const Part& part, int64_t begin, int64_t end) {
  // Columns are scattered over the weights: they are looked up while those are still in the cache.
  const int64_t slab =
      part.outliers.empty() ? end - begin : std::max<int64_t>(1, kSlabBytes / part.group_bytes);
  for (int64_t at = begin; at < end; at += slab) RunSlab(part, at, std::min(end, at + slab));
}

// The range [begin, end) of the cost of all parts, laid end to end and cut at row groups. Cuts
// depend only on (parts, range); results do not depend on cuts.
void RunRange(absl::Span<const Part> parts, int64_t begin, int64_t end) {
  int64_t part_begin = 0;
  for (const Part& part : parts) {
    const auto cut = [&](int64_t at) {
      const int64_t groups = (at - part_begin + part.group_cost - 1) / part.group_cost;
      return std::clamp<int64_t>(at <= part_begin ? 0 : groups, 0, part.groups);
    };
    RunGroups(part, cut(begin), cut(end));
    part_begin += part.groups * part.group_cost;
  }
}

// Equal stretches of the work, one for each thread: a large piece and a few small ones, taken in
// order. Who is done with its own takes small ones of others: neither memory nor a busy machine
// serves all threads alike.
class Stretches {
 public:
  Stretches(int threads, int64_t work) : work_(work), next_(threads) {}

  // Calls body(begin, end) for pieces of [0, work) until none is left.
  template <class Body>
  void Run(int thread, const Body& body) {
    const auto threads = static_cast<int64_t>(next_.size());
    for (int64_t i = 0; i < threads; ++i) {
      const int64_t owner = (thread + i) % threads;
      while (true) {
        const int piece = next_[owner].value.fetch_add(1, std::memory_order_relaxed);
        if (piece > kSmallPieces) break;
        const auto cut = [&](int at) {  // in parts of a stretch
          return work_ * (owner * kParts + at) / (threads * kParts);
        };
        const int first = piece == 0 ? 0 : kParts - kSmallPieces + piece - 1;
        body(cut(first), cut(kParts - kSmallPieces + piece));
      }
    }
  }

 private:
  static constexpr int kParts = 16, kSmallPieces = 4;
  struct alignas(64) Counter {
    std::atomic<int> value{0};
  };
  const int64_t work_;
  std::vector<Counter> next_;
};

void RunParts(const GemmKernels& kernels, absl::Span<const Part> parts, ThreadPool& pool) {
  const auto start = std::chrono::steady_clock::now();
  int64_t total_cost = 0, macs = 0;
  for (const Part& part : parts) {
    total_cost += part.groups * part.group_cost;
    macs += part.args.m * part.args.rows * part.args.k;
  }
  if (macs <= kSerialMacs || pool.size() == 1) {
    RunRange(parts, 0, total_cost);
  } else {
    Stretches stretches(pool.size(), total_cost);
    pool.Run([&](int thread) {
      stretches.Run(thread, [&](int64_t begin, int64_t end) { RunRange(parts, begin, end); });
    });
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  for (const Part& part : parts) {
    const int64_t cost = part.groups * part.group_cost;
    const double share = static_cast<double>(cost) / static_cast<double>(total_cost);
    kernels.Count(part.kernel, seconds.count() * share,
                  2 * part.args.m * part.args.rows * part.args.k, part.groups * part.group_bytes);
  }
}

}  // namespace

void RunGemm(const GemmKernels& kernels, Activations& x, absl::Span<const GemmOutput> outputs,
             ThreadPool& pool) {
  QUANTD_CHECK(outputs.size() <= kMaxOutputs, "few enough outputs for a fixed array");
  if (x.m() == 0 || outputs.empty()) return;
  std::array<Part, kMaxOutputs> parts;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const GemmOutput& output = outputs[i];
    parts[i] = MakePart(kernels, {output.weight, 0, x.m(), output.y, output.y_stride}, x, pool);
  }
  RunParts(kernels, absl::MakeConstSpan(parts.data(), outputs.size()), pool);
}

void RunGroupedGemm(const GemmKernels& kernels, Activations& x, absl::Span<const GemmGroup> groups,
                    ThreadPool& pool) {
  if (groups.empty()) return;
  std::vector<Part> parts;
  for (const GemmGroup& group : groups) parts.push_back(MakePart(kernels, group, x, pool));
  RunParts(kernels, parts, pool);
}

}  // namespace quantd
