#include "kernels/gemm/gemm_kernels.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "kernels/gemm/rows32.h"
#include "kernels/gemm/select.h"
#include "kernels/gemm/selfcheck.h"

namespace quantd {
namespace {

constexpr const char* kSuperseded = "a better kernel takes every m";

struct AtomicCounters {
  std::atomic<uint64_t> nanoseconds{0};
  std::atomic<uint64_t> ops{0};
  std::atomic<uint64_t> bytes{0};
};

absl::Status CheckForcedKernel(const Hardware& hardware, const KernelOverride& forced,
                               uint32_t isas) {
  if (forced.kernel.empty()) return absl::OkStatus();
  for (const GemmKernel& kernel : GemmTable()) {
    if (kernel.name != forced.kernel) continue;
    if (!hardware.Supports(kernel.isa)) {
      return absl::FailedPreconditionError(
          absl::StrCat("forced kernel ", kernel.name, " needs ", Info(kernel.isa).requires_, "; ",
                       hardware.cpu_name, " or its operating system lacks it"));
    }
    if ((isas & IsaBit(kernel.isa)) == 0) {
      return absl::InvalidArgumentError(absl::StrCat("forced kernel ", kernel.name,
                                                     " is not within the forced instruction set ",
                                                     forced.isa, "; force one of them"));
    }
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown kernel \"", forced.kernel,
      "\"; names are gemm_<format>_<isa>_<decode|batch>, `quantd kernels` lists them"));
}

}  // namespace

struct GemmKernels::Impl {
  Hardware hardware;
  KernelOverride forced;
  GemmConstraints constraints;
  std::array<std::array<const GemmKernel*, kDistinctM + 1>, kPackedFormats> choices{};
  QuantizeRun quantize = nullptr;
  std::vector<uint64_t> selfcheck_failures;  // by table index
  mutable std::vector<AtomicCounters> counters;

  Impl() : selfcheck_failures(GemmTable().size()), counters(GemmTable().size()) {
    constraints.quarantined.assign(GemmTable().size(), false);
  }

  static size_t IndexOf(const GemmKernel* kernel) { return kernel - GemmTable().data(); }

  bool Selected(const GemmKernel* kernel) const {
    const auto& by_m = choices[static_cast<int>(kernel->packed)];
    return std::find(by_m.begin(), by_m.end(), kernel) != by_m.end();
  }

  void FillChoices() {
    for (const PackedEntry& entry : PackedEntries()) {
      for (int64_t m = 1; m <= kDistinctM; ++m) {
        choices[static_cast<int>(entry.packed)][m] =
            Select(GemmTable(), {entry.packed, WeightLayout::kRows32, m}, constraints);
      }
    }
  }

  // The strongest that the machine runs and that agrees with the reference; the last always does.
  void ChooseQuantizer() {
    for (const Quantizer& quantizer : Quantizers()) {
      if (quantize != nullptr || (constraints.isas & IsaBit(quantizer.isa)) == 0) continue;
      if (AgreesWithReference(quantizer)) quantize = quantizer.run;
    }
  }

  // Checks every kernel that would run, until those that would run have all passed. The reference
  // is what the others are compared with, so there is always one left.
  void SelfCheck(const std::string& inject_fault) {
    std::vector<bool> passed(GemmTable().size());
    bool changed = true;
    while (changed) {
      changed = false;
      FillChoices();
      for (const GemmKernel& kernel : GemmTable()) {
        const size_t index = IndexOf(&kernel);
        if (passed[index] || kernel.isa == Isa::kReference || !Selected(&kernel)) continue;
        passed[index] = AgreesWithReference(kernel, kernel.name == inject_fault);
        if (passed[index]) continue;
        constraints.quarantined[index] = true;
        ++selfcheck_failures[index];
        changed = true;
      }
    }
  }

  KernelStatus Status(const GemmKernel& kernel) const {
    KernelStatus status;
    status.op = "gemm";
    status.kernel = kernel.name;
    status.format = kernel.format;
    status.isa = Info(kernel.isa).name;
    status.min_m = kernel.min_m;
    status.max_m = kernel.max_m;
    status.native = kernel.native;
    status.how = kernel.how;
    status.quarantined = constraints.quarantined[IndexOf(&kernel)];
    status.reason = WhyNot(kernel, constraints, status.quarantined);
    status.feasible = status.reason.empty();
    status.selected = Selected(&kernel);
    if (status.feasible && !status.selected) status.reason = kSuperseded;
    return status;
  }
};

GemmKernels::GemmKernels() : impl_(std::make_unique<Impl>()) {}
GemmKernels::GemmKernels(GemmKernels&&) noexcept = default;
GemmKernels& GemmKernels::operator=(GemmKernels&&) noexcept = default;
GemmKernels::~GemmKernels() = default;

absl::StatusOr<GemmKernels> GemmKernels::Create(const Hardware& hardware,
                                                const KernelOverride& forced,
                                                const std::string& inject_fault) {
  GemmKernels kernels;
  Impl& impl = *kernels.impl_;
  impl.hardware = hardware;
  impl.forced = forced;
  QUANTD_ASSIGN_OR_RETURN(impl.constraints.isas, AllowedIsas(hardware, forced.isa));
  QUANTD_RETURN_IF_ERROR(CheckForcedKernel(hardware, forced, impl.constraints.isas));
  impl.constraints.forced_kernel = impl.forced.kernel;
  impl.ChooseQuantizer();
  impl.SelfCheck(inject_fault);
  for (const GemmKernel& kernel : GemmTable()) {
    if (kernel.name == forced.kernel && impl.constraints.quarantined[Impl::IndexOf(&kernel)]) {
      return absl::InternalError(absl::StrCat("forced kernel ", kernel.name,
                                              " disagrees with the scalar reference on ",
                                              hardware.cpu_name));
    }
  }
  return kernels;
}

const GemmKernel* GemmKernels::SelectGemm(const QuantFormat& format, WeightLayout layout,
                                          int64_t m) const {
  const std::optional<PackedFormat> packed = ToPackedFormat(format);
  if (!packed || layout != WeightLayout::kRows32 || m < 1) return nullptr;
  return impl_->choices[static_cast<int>(*packed)][std::min(m, kDistinctM)];
}

bool GemmKernels::SupportsFormat(const QuantFormat& format) const {
  return SelectGemm(format, WeightLayout::kRows32, 1) != nullptr;
}

QuantizeRun GemmKernels::quantizer() const { return impl_->quantize; }
const Hardware& GemmKernels::hardware() const { return impl_->hardware; }
const KernelOverride& GemmKernels::forced() const { return impl_->forced; }
uint32_t GemmKernels::isas() const { return impl_->constraints.isas; }

std::vector<KernelStatus> GemmKernels::GemmReport() const {
  std::vector<KernelStatus> report;
  for (const GemmKernel& kernel : GemmTable()) report.push_back(impl_->Status(kernel));
  return report;
}

std::vector<KernelCounters> GemmKernels::GemmCounters() const {
  std::vector<KernelCounters> result;
  for (const GemmKernel& kernel : GemmTable()) {
    const size_t index = Impl::IndexOf(&kernel);
    const AtomicCounters& c = impl_->counters[index];
    result.push_back({"gemm", kernel.name, static_cast<double>(c.nanoseconds.load()) * 1e-9,
                      c.ops.load(), c.bytes.load(), impl_->selfcheck_failures[index],
                      impl_->constraints.quarantined[index]});
  }
  return result;
}

void GemmKernels::Count(const GemmKernel* kernel, double seconds, uint64_t ops,
                        uint64_t bytes) const {
  AtomicCounters& c = impl_->counters[Impl::IndexOf(kernel)];
  c.nanoseconds.fetch_add(static_cast<uint64_t>(seconds * 1e9), std::memory_order_relaxed);
  c.ops.fetch_add(ops, std::memory_order_relaxed);
  c.bytes.fetch_add(bytes, std::memory_order_relaxed);
}

GemmKernelInfo Describe(const GemmKernel& kernel) {
  return {kernel.name, Info(kernel.isa).name, kernel.how, kernel.native};
}

}  // namespace quantd
