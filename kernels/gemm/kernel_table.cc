#include "kernels/gemm/kernel_table.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kernels/gemm/cpu/kernels.h"
#include "kernels/gemm/reference.h"
#include "kernels/gemm/rows16.h"

namespace quantd {
namespace {

// THE table. A line is a format and an instruction set; the vector ones give two kernels, one for
// a single input row and one for batches. Within a format the best comes first.
struct TableLine {
  QuantFormat format;
  Isa isa;
  bool native;
  const char* how;
};

constexpr TableLine kTable[] = {
    {kF32, Isa::kAvx512Vnni, true, "fma on 16 floats"},
    {kF32, Isa::kAvx2, true, "fma on 8 floats"},
    {kF32, Isa::kReference, true, "scalar fma"},

    {kF16, Isa::kAvx512Vnni, false, "vcvtph2ps in registers, then fma on 16 floats"},
    {kF16, Isa::kAvx2, false, "vcvtph2ps in registers, then fma on 8 floats"},
    {kF16, Isa::kReference, false, "decoded to float, then scalar fma"},

    {kBF16, Isa::kAvx512Vnni, false, "widened in registers, then fma on 16 floats"},
    {kBF16, Isa::kAvx2, false, "widened in registers, then fma on 8 floats"},
    {kBF16, Isa::kReference, false, "decoded to float, then scalar fma"},

    {kQ8_0, Isa::kAvx512Vnni, true, "vpdpbusd on 64 bytes"},
    {kQ8_0, Isa::kAvxVnni, true, "vpdpbusd on 32 bytes"},
    {kQ8_0, Isa::kAvx2, false, "vpmaddubsw on |w| and sign(a, w), then vpmaddwd"},
    {kQ8_0, Isa::kReference, false, "scalar integer multiply"},

    {kQ4_0, Isa::kAvx512Vnni, false, "nibbles unpacked in registers, then vpdpbusd"},
    {kQ4_0, Isa::kAvxVnni, false, "nibbles unpacked in registers, then vpdpbusd"},
    {kQ4_0, Isa::kAvx2, false, "nibbles unpacked in registers, then vpmaddubsw, vpmaddwd"},
    {kQ4_0, Isa::kReference, false, "scalar integer multiply"},

    {kQ4_1, Isa::kAvx512Vnni, false, "nibbles unpacked in registers, then vpdpbusd"},
    {kQ4_1, Isa::kAvxVnni, false, "nibbles unpacked in registers, then vpdpbusd"},
    {kQ4_1, Isa::kAvx2, false, "nibbles unpacked in registers, then vpmaddubsw, vpmaddwd"},
    {kQ4_1, Isa::kReference, false, "scalar integer multiply"},

    {kQ5_0, Isa::kAvx512Vnni, false, "nibbles and fifth bits joined in registers, then vpdpbusd"},
    {kQ5_0, Isa::kAvxVnni, false, "nibbles and fifth bits joined in registers, then vpdpbusd"},
    {kQ5_0, Isa::kAvx2, false, "nibbles and fifth bits joined in registers, then vpmaddubsw"},
    {kQ5_0, Isa::kReference, false, "scalar integer multiply"},

    {kQ5_1, Isa::kAvx512Vnni, false, "nibbles and fifth bits joined in registers, then vpdpbusd"},
    {kQ5_1, Isa::kAvxVnni, false, "nibbles and fifth bits joined in registers, then vpdpbusd"},
    {kQ5_1, Isa::kAvx2, false, "nibbles and fifth bits joined in registers, then vpmaddubsw"},
    {kQ5_1, Isa::kReference, false, "scalar integer multiply"},

    {kQ6_K, Isa::kAvx512Vnni, false, "codes widened to bytes at load, then vpdpbusd"},
    {kQ6_K, Isa::kAvxVnni, false, "codes widened to bytes at load, then vpdpbusd"},
    {kQ6_K, Isa::kAvx2, false, "codes widened to bytes at load, then vpmaddubsw, vpmaddwd"},
    {kQ6_K, Isa::kReference, false, "scalar integer multiply"},
};

// Null functions when this build is for another processor.
RunPair VectorRuns(Isa isa, PackedFormat format) {
#if defined(__x86_64__)
  const int index = static_cast<int>(format);
  if (isa == Isa::kAvx512Vnni) return isa_avx512vnni::kRuns[index];
  if (isa == Isa::kAvxVnni) return isa_avxvnni::kRuns[index];
  if (isa == Isa::kAvx2) return isa_avx2::kRuns[index];
#endif
  return {nullptr, nullptr};
}

std::vector<GemmKernel> BuildTable() {
  std::vector<GemmKernel> table;
  for (const TableLine& line : kTable) {
    const PackedFormat packed = *ToPackedFormat(line.format);
    GemmKernel kernel;
    kernel.isa = line.isa;
    kernel.format = line.format;
    kernel.activations = line.format.is_float() ? ActivationType::kF32 : ActivationType::kInt8;
    kernel.native = line.native;
    kernel.how = line.how;
    const std::string prefix = absl::StrCat("gemm_", absl::AsciiStrToLower(FormatName(line.format)),
                                            "_", Info(line.isa).name);
    const auto add = [&](const char* suffix, int64_t min_m, int64_t max_m, GemmRun run) {
      if (run == nullptr) return;
      kernel.name = absl::StrCat(prefix, suffix);
      kernel.min_m = min_m;
      kernel.max_m = max_m;
      kernel.run = run;
      table.push_back(kernel);
    };
    if (line.isa == Isa::kReference) {
      add("", 1, 0, ReferenceRun(packed));
    } else {
      const RunPair runs = VectorRuns(line.isa, packed);
      add("_decode", 1, 1, runs.decode);
      add("_batch", 2, 0, runs.batch);
    }
  }
  return table;
}

}  // namespace

const std::vector<GemmKernel>& GemmTable() {
  static const auto* const table = new std::vector<GemmKernel>(BuildTable());
  return *table;
}

}  // namespace quantd
