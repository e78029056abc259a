#include "kernels/gemm/naive.h"

#include <algorithm>

#include "kernels/base/check.h"
#include "kernels/base/code_tables.h"
#include "kernels/gemm/activations.h"
#include "kernels/gemm/cpu/expand_rows.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/kernel_table.h"
#include "kernels/gemm/rows32.h"

namespace quantd {
namespace {

// Floats of a slab: in a second-level cache beside some activations.
constexpr int64_t kSlabBytes = 512 * 1024;

// One output with what every thread needs.
struct NaivePart {
  PackedFormat format;
  int64_t groups, group_bytes;
  ExpandRun expand;
  GemmRun multiply;
  GemmArgs args;  // for the whole weight
};

NaivePart MakePart(const GemmKernels& kernels, const GemmOutput& output, Activations& rows,
                   ThreadPool& pool) {
  const PackedWeight& w = *output.weight;
  QUANTD_CHECK(w.k == rows.k(), "weights and activations agree in K");
  QUANTD_CHECK(output.y_stride >= w.n || rows.m() == 1, "output rows must not overlap");
  Activations& x =
      w.k_order.empty() ? rows : ActivationAccess::Reordered(rows, 0, rows.m(), w.k_order, pool);
  NaivePart part;
  part.format = *ToPackedFormat(w.format);
  const int span = PackedSpan(w.format);
  part.groups = (w.n + kGroupRows - 1) / kGroupRows;
  part.group_bytes = Rows32GroupBytes(part.format, w.k, span);
  part.multiply = kernels.SelectGemm(kF32, w.layout, x.m())->run;
  for (const Expander& expander : Expanders()) {
    part.expand = expander.run;
    if ((kernels.isas() & IsaBit(expander.isa)) != 0) break;
  }
  part.args = {w.data.as<uint8_t>(), part.groups, w.n, w.k,      span,           x.m(), x.row(0),
               x.stride(),           nullptr,     0,   output.y, output.y_stride};
  return part;
}

// Row groups [begin, end), which `weights` holds as floats.
void Multiply(const NaivePart& part, const uint8_t* weights, int64_t begin, int64_t end) {
  GemmArgs args = part.args;
  args.weights = weights;
  args.groups = end - begin;
  args.rows = std::min(part.args.rows, end * kGroupRows) - begin * kGroupRows;
  args.y += begin * kGroupRows;
  part.multiply(args);
}

void RunGroups(const NaivePart& part, int64_t begin, int64_t end) {
  if (begin >= end) return;
  if (part.format == PackedFormat::kF32) {
    return Multiply(part, part.args.weights + begin * part.group_bytes, begin, end);
  }
  const int64_t floats = part.args.k * kGroupRows;
  const int64_t float_bytes = floats * static_cast<int64_t>(sizeof(float));
  const int64_t slab = std::max<int64_t>(1, kSlabBytes / float_bytes);
  thread_local AlignedBuffer memory;
  if (static_cast<int64_t>(memory.size()) < slab * float_bytes) {
    memory = AlignedBuffer(slab * float_bytes);
  }
  QUANTD_CHECK(memory.data() != nullptr, "out of memory for dequantized weights");
  for (int64_t first = begin; first < end; first += slab) {
    const int64_t last = std::min(end, first + slab);
    for (int64_t group = first; group < last; ++group) {
      part.expand(MakeExpandArgs(part.format, part.args.span, part.args.k,
                                 part.args.weights + group * part.group_bytes,
                                 memory.as<float>() + (group - first) * floats));
    }
    Multiply(part, memory.as<uint8_t>(), first, last);
  }
}

}  // namespace

const std::vector<Expander>& Expanders() {
  static const auto* const expanders = new std::vector<Expander> {
#if defined(QUANTD_ISA_KERNELS)
    {Isa::kAvx512Vnni, isa_avx512vnni::ExpandGroup}, {Isa::kAvx2, isa_avx2::ExpandGroup},
#endif
        {Isa::kReference, ExpandRows},
  };
  return *expanders;
}

ExpandArgs MakeExpandArgs(PackedFormat format, int span, int64_t k, const uint8_t* group,
                          float* out) {
  return {format,
          &FormatOf(format),
          format == PackedFormat::kMxFp4 ? kE2M1Table : kIq4NlTable,
          format == PackedFormat::kNf4 ? kNf4Table : kFp4Table,
          span,
          k,
          group,
          out};
}

void RunNaiveGemm(const GemmKernels& kernels, Activations& x, absl::Span<const GemmOutput> outputs,
                  ThreadPool& pool) {
  if (x.m() == 0) return;
  std::vector<NaivePart> parts;
  for (const GemmOutput& output : outputs) parts.push_back(MakePart(kernels, output, x, pool));
  pool.Run([&](int thread) {
    for (const NaivePart& part : parts) {
      RunGroups(part, part.groups * thread / pool.size(), part.groups * (thread + 1) / pool.size());
    }
  });
}

}  // namespace quantd
