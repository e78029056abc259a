#include "kernels/gemm/gemm_kernels.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "kernels/gemm/rows32.h"
#include "kernels/gemm/selfcheck.h"

namespace quantd {
namespace {

constexpr const char* kSuperseded = "a better kernel takes every m";
constexpr const char* kSlower = "another kernel was measured to be faster";

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
      "\"; names are gemm_<format>_<isa>_<decode|batch|wide>, `quantd kernels` lists them"));
}

}  // namespace

struct GemmKernels::Impl {
  Hardware hardware;
  KernelOverride forced;
  std::string inject_fault;
  // Written under the mutex, read by every product.
  std::array<std::array<std::atomic<const GemmKernel*>, kDistinctM + 1>, kPackedFormats> choices{};
  QuantizeRun quantize = nullptr;
  mutable std::mutex mutex;  // guards what follows, but for the counters
  GemmConstraints constraints;
  std::vector<bool> passed;                  // the self-check, by table index
  std::vector<uint64_t> selfcheck_failures;  // by table index
  mutable std::vector<AtomicCounters> counters;

  Impl()
      : passed(GemmTable().size()),
        selfcheck_failures(GemmTable().size()),
        counters(GemmTable().size()) {
    constraints.quarantined.assign(GemmTable().size(), false);
  }

  static size_t IndexOf(const GemmKernel* kernel) { return kernel - GemmTable().data(); }

  bool Selected(const GemmKernel* kernel) const {
    const auto& by_m = choices[static_cast<int>(kernel->packed)];
    return std::any_of(by_m.begin(), by_m.end(),
                       [&](const auto& choice) { return choice.load() == kernel; });
  }

  GemmChoice Choose(PackedFormat packed, int64_t m) const {
    return Select(GemmTable(), {packed, WeightLayout::kRows32, m}, constraints);
  }

  void FillChoices() {
    for (const PackedEntry& entry : PackedEntries()) {
      for (int64_t m = 1; m <= kDistinctM; ++m) {
        choices[static_cast<int>(entry.packed)][m].store(Choose(entry.packed, m).kernel,
                                                         std::memory_order_relaxed);
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

  // Whether a kernel agrees with the reference; it is quarantined when it does not. Checked once.
  bool Passes(const GemmKernel& kernel) {
    const size_t index = IndexOf(&kernel);
    if (passed[index] || kernel.isa == Isa::kReference) return true;
    if (constraints.quarantined[index]) return false;
    passed[index] = AgreesWithReference(kernel, kernel.name == inject_fault);
    if (passed[index]) return true;
    Quarantine(kernel);
    ++selfcheck_failures[index];
    return false;
  }

  // An arithmetic that has no reference among the rows falls with any of its kernels: those left
  // might not take every m.
  void Quarantine(const GemmKernel& kernel) {
    for (const GemmKernel& other : GemmTable()) {
      const bool falls = other.packed == kernel.packed && other.arithmetic == kernel.arithmetic &&
                         kernel.arithmetic != Arithmetic::kFull;
      if (&other == &kernel || falls) constraints.quarantined[IndexOf(&other)] = true;
    }
  }

  // Checks every kernel that would run, until those that would run have all passed. The reference
  // is what the others are compared with, so there is always one left.
  void SelfCheck() {
    bool changed = true;
    while (changed) {
      changed = false;
      FillChoices();
      for (const GemmKernel& kernel : GemmTable()) {
        if (Selected(&kernel) && !Passes(kernel)) changed = true;
      }
    }
  }

  // What the choice of a selected kernel rests on: for a measured one that is the measurement, even
  // if it is the first by rank where nothing was measured.
  ChosenBy SelectedBy(const GemmKernel& kernel) const {
    ChosenBy by = ChosenBy::kRank;
    for (int64_t m = kernel.min_m; m <= kDistinctM; ++m) {
      const GemmChoice choice = Choose(kernel.packed, m);
      if (choice.kernel == &kernel) by = std::max(by, choice.by);
    }
    return by;
  }

  // Whether a better-ranked kernel lost by measurement somewhere.
  bool Measured(PackedFormat packed) const {
    const auto first = constraints.measured.lower_bound({packed, WeightLayout::kRows32, 1});
    return first != constraints.measured.end() && first->first.packed == packed;
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
    if (status.selected) status.chosen_by = ChosenByName(SelectedBy(kernel));
    if (status.feasible && !status.selected) {
      status.reason = Measured(kernel.packed) ? kSlower : kSuperseded;
    }
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
  impl.inject_fault = inject_fault;
  impl.ChooseQuantizer();
  impl.SelfCheck();
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
  return impl_->choices[static_cast<int>(*packed)][std::min(m, kDistinctM)].load(
      std::memory_order_relaxed);
}

bool GemmKernels::SupportsFormat(const QuantFormat& format) const {
  return SelectGemm(format, WeightLayout::kRows32, 1) != nullptr;
}

std::vector<const GemmKernel*> GemmKernels::Candidates(PackedFormat packed, WeightLayout layout,
                                                       int64_t m) {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  std::vector<const GemmKernel*> candidates;
  for (const GemmKernel& kernel : GemmTable()) {
    if (kernel.packed != packed || kernel.layout != layout || !kernel.TakesM(m)) continue;
    if (kernel.arithmetic != ArithmeticFor(GemmTable(), packed, impl_->constraints)) continue;
    if ((impl_->constraints.isas & IsaBit(kernel.isa)) == 0) continue;
    if (kernel.isa == Isa::kReference && !candidates.empty()) continue;
    if (impl_->Passes(kernel)) candidates.push_back(&kernel);
  }
  return candidates;
}

void GemmKernels::Adopt(const MeasuredChoices& measured) {
  MeasuredChoices usable;
  for (const auto& [point, name] : measured) {
    for (const GemmKernel* kernel : Candidates(point.packed, point.layout, point.m)) {
      if (kernel->name == name) usable[point] = name;
    }
  }
  std::lock_guard<std::mutex> lock(impl_->mutex);
  for (const auto& [point, name] : usable) impl_->constraints.measured[point] = name;
  impl_->SelfCheck();
}

MeasuredChoices GemmKernels::measured() const {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  return impl_->constraints.measured;
}

QuantizeRun GemmKernels::quantizer() const { return impl_->quantize; }
const Hardware& GemmKernels::hardware() const { return impl_->hardware; }
const KernelOverride& GemmKernels::forced() const { return impl_->forced; }
uint32_t GemmKernels::isas() const { return impl_->constraints.isas; }

std::vector<KernelStatus> GemmKernels::GemmReport() const {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  std::vector<KernelStatus> report;
  for (const GemmKernel& kernel : GemmTable()) report.push_back(impl_->Status(kernel));
  return report;
}

std::vector<KernelCounters> GemmKernels::GemmCounters() const {
  std::lock_guard<std::mutex> lock(impl_->mutex);
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
