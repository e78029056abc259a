#include "kernels/gemm/kernel_table.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kernels/gemm/activations.h"
#include "kernels/gemm/cpu/kernels.h"
#include "kernels/gemm/reference.h"
#include "kernels/gemm/rows32.h"

namespace quantd {
namespace {

// The instruction sets that have GEMM kernels, best first. Together with PackedEntries they span
// THE table; where an instruction set gains nothing over a weaker one it has no functions.
struct IsaColumn {
  Isa isa;
  KernelRuns (*runs)(PackedFormat format);  ///< null: the scalar reference
  const char* multiply_floats;
  const char* multiply_bytes;
  bool has_byte_dot;     ///< one instruction multiplies and adds bytes
  Arithmetic of_floats;  ///< how F16 and BF16 are multiplied
};

#if defined(QUANTD_ISA_KERNELS)
template <KernelRuns (*... kFamilies)(PackedFormat)>
KernelRuns FirstOf(PackedFormat format) {
  KernelRuns found{nullptr, nullptr, nullptr};
  ((found = found.decode == nullptr && found.wide == nullptr ? kFamilies(format) : found), ...);
  return found;
}
#endif

constexpr IsaColumn kColumns[] = {
#if defined(QUANTD_ISA_KERNELS)
    {Isa::kAmx,
     FirstOf<isa_amx::FloatRuns, isa_amx::BlockRuns, isa_amx::TwoLevelRuns, isa_amx::AffineRuns>,
     "tdpbf16ps on tiles of 16 x 32", "tdpbssd on tiles of bytes", true, Arithmetic::kBf16Tiles},
    {Isa::kAvx512Bf16, FirstOf<isa_avx512bf16::FloatRuns>, "vdpbf16ps on 32 pairs", "", true,
     Arithmetic::kBf16Pairs},
    {Isa::kAvx512Vnni,
     FirstOf<isa_avx512vnni::FloatRuns, isa_avx512vnni::BlockRuns, isa_avx512vnni::TwoLevelRuns,
             isa_avx512vnni::AffineRuns>,
     "fma on 16 floats", "vpdpbusd on 64 bytes", true, Arithmetic::kFull},
    {Isa::kAvxVnni,
     FirstOf<isa_avxvnni::BlockRuns, isa_avxvnni::TwoLevelRuns, isa_avxvnni::AffineRuns>, "",
     "vpdpbusd on 32 bytes", true, Arithmetic::kFull},
    {Isa::kAvx2,
     FirstOf<isa_avx2::FloatRuns, isa_avx2::BlockRuns, isa_avx2::TwoLevelRuns,
             isa_avx2::AffineRuns>,
     "fma on 8 floats", "vpmaddubsw, vpmaddwd", false, Arithmetic::kFull},
#endif
    {Isa::kReference, nullptr, "scalar fma", "scalar integer multiply", false, Arithmetic::kFull},
};

// Whether a column's kernels of a format rank behind all others: those that round its weights, and
// products of bytes in tiles, which whatever scales them afterwards may eat up.
bool RanksLast(PackedFormat format, const IsaColumn& column) {
  const bool rounds = format == PackedFormat::kF16 && column.of_floats != Arithmetic::kFull;
  return rounds || (column.isa == Isa::kAmx && FormatOf(format).is_int());
}

// From how many input rows on the `wide` kernels pay, measured: the more a code costs in registers,
// the earlier.
int64_t WideM(const Rows32Format& f, const Rows32Format& to, const IsaColumn& column) {
  if (column.isa == Isa::kAmx && f.is_int()) return 32;
  if (f.codes == Codes::kE4M3) return 8;
  if (f.codes == Codes::kFloatTable) return column.isa == Isa::kAvx2 ? 8 : 32;
  if (to.codes == Codes::kSigned || (f.fine() && !column.has_byte_dot)) return 16;
  return f.fine() ? 32 : 48;
}

// What comes before the multiplication; "" when the codes are multiplied as they lie in memory.
const char* Unpacking(PackedFormat format, Arithmetic arithmetic) {
  const Rows32Format& f = FormatOf(format);
  switch (f.codes) {
    case Codes::kFloat:
      if (arithmetic != Arithmetic::kFull) {
        return format == PackedFormat::kBF16 ? "" : "rounded to BF16 in registers, then ";
      }
      if (format == PackedFormat::kF32) return "";
      return format == PackedFormat::kF16 ? "vcvtph2ps in registers, then "
                                          : "widened in registers, then ";
    case Codes::kFloatTable:
      return "nibbles looked up as floats in registers, then ";
    case Codes::kE4M3:
      return "widened to floats in registers, then ";
    case Codes::kIntTable:
      return "nibbles looked up as bytes in registers, then ";
    case Codes::kInt:
    case Codes::kValues:  // of slabs only, like the next
    case Codes::kSigned:
      break;
  }
  if (f.bits == 8) return "";
  return f.high_bits() == 0 ? "codes unpacked in registers, then "
                            : "codes joined of two planes in registers, then ";
}

GemmKernel Row(const PackedEntry& entry, const IsaColumn& column) {
  const Rows32Format& f = FormatOf(entry.packed);
  GemmKernel kernel;
  kernel.isa = column.isa;
  kernel.packed = entry.packed;
  kernel.format = entry.name;
  kernel.arithmetic =
      f.is_float() && entry.packed != PackedFormat::kF32 ? column.of_floats : Arithmetic::kFull;
  kernel.activations = f.is_int()                               ? ActivationType::kInt8
                       : kernel.arithmetic == Arithmetic::kFull ? ActivationType::kF32
                                                                : ActivationType::kBF16;
  const std::string unpacking = Unpacking(entry.packed, kernel.arithmetic);
  kernel.native = unpacking.empty() && (column.has_byte_dot || !f.is_int());
  kernel.how =
      column.isa == Isa::kReference && f.is_int()
          ? column.multiply_bytes
          : absl::StrCat(unpacking, f.is_int() ? column.multiply_bytes : column.multiply_floats);
  kernel.name =
      absl::StrCat("gemm_", absl::StrReplaceAll(absl::AsciiStrToLower(entry.name), {{"-", "_"}}),
                   "_", Info(column.isa).name);
  return kernel;
}

// The kernels of one format and instruction set, best first.
void AddRows(const PackedEntry& entry, const IsaColumn& column, std::vector<GemmKernel>* table) {
  GemmKernel kernel = Row(entry, column);
  if (column.runs == nullptr) {
    kernel.run = ReferenceRun(entry.packed, Arithmetic::kFull);
    table->push_back(kernel);
    return;
  }
  const KernelRuns runs = column.runs(entry.packed);
  const std::string prefix = kernel.name, how = kernel.how;
  const auto add = [&](const char* suffix, int64_t min_m, int64_t max_m, GemmRun run) {
    if (run == nullptr) return;
    kernel.name = prefix + suffix;
    kernel.min_m = min_m;
    kernel.max_m = max_m;
    kernel.run = run;
    table->push_back(kernel);
  };
  add("_decode", 1, 1, runs.decode);
  if (runs.wide != nullptr) {
    const Rows32Format& to = FormatOf(ExpandedOf(entry.packed, !column.has_byte_dot));
    kernel.how =
        absl::StrCat("slabs expanded to ",
                     !to.is_int()                 ? "floats"
                     : to.codes == Codes::kSigned ? "signed bytes"
                                                  : "bytes",
                     ", then ", to.is_int() ? column.multiply_bytes : column.multiply_floats);
    add("_wide", WideM(FormatOf(entry.packed), to, column), 0, runs.wide);
    kernel.how = how;
  }
  add("_batch", 2, 0, runs.batch);
}

std::vector<GemmKernel> BuildTable() {
  std::vector<GemmKernel> table;
  for (const PackedEntry& entry : PackedEntries()) {
    for (const bool last : {false, true}) {
      for (const IsaColumn& column : kColumns) {
        if (RanksLast(entry.packed, column) == last) AddRows(entry, column, &table);
      }
    }
  }
  return table;
}

}  // namespace

const std::vector<GemmKernel>& GemmTable() {
  static const auto* const table = new std::vector<GemmKernel>(BuildTable());
  return *table;
}

const std::vector<Quantizer>& Quantizers() {
  static const auto* const quantizers = new std::vector<Quantizer> {
#if defined(QUANTD_ISA_KERNELS)
    {Isa::kAvx512Vnni, isa_avx512vnni::QuantizeRow}, {Isa::kAvx2, isa_avx2::QuantizeRow},
#endif
        {Isa::kReference, QuantizeRow},
  };
  return *quantizers;
}

}  // namespace quantd
