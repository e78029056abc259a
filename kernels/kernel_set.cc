#include "kernels/kernel_set.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "kernels/selfcheck.h"

namespace quantd {

absl::StatusOr<std::unique_ptr<KernelSet>> KernelSet::Create(const Hardware& hardware,
                                                             const KernelOverride& forced,
                                                             const std::string& inject_fault) {
  QUANTD_ASSIGN_OR_RETURN(GemmKernels gemm, GemmKernels::Create(hardware, forced, inject_fault));
  std::unique_ptr<KernelSet> set(new KernelSet(std::move(gemm)));
  set->ChooseOps(inject_fault);
  set->ChooseAttention(inject_fault);
  return set;
}

// The strongest table that can run and agrees with the reference; tables come weakest first.
void KernelSet::ChooseOps(const std::string& inject_fault) {
  const std::vector<const OpTable*>& tables = OpTables();
  for (auto table = tables.rbegin(); table != tables.rend() && ops_ == nullptr; ++table) {
    if ((isas() & IsaBit((*table)->isa)) == 0) continue;
    const std::string wrong = DisagreeingOp(**table, inject_fault);
    if (wrong.empty()) {
      ops_ = *table;
    } else {
      quarantined_[(*table)->name] = absl::StrCat(wrong, " ", kDisagreedReason);
    }
  }
  QUANTD_CHECK(ops_ != nullptr, "the reference operations run everywhere");
}

void KernelSet::ChooseAttention(const std::string& inject_fault) {
  const std::vector<const AttentionKernel*>& kernels = AttentionKernels();
  attention_.assign(KvTypes().size(), nullptr);
  for (auto kernel = kernels.rbegin(); kernel != kernels.rend(); ++kernel) {
    const AttentionKernel*& choice = attention_.at(static_cast<size_t>((*kernel)->type));
    if (choice != nullptr || (isas() & IsaBit((*kernel)->isa)) == 0) continue;
    if (AgreesWithReference(**kernel, (*kernel)->name == inject_fault)) {
      choice = *kernel;
    } else {
      quarantined_[(*kernel)->name] = kDisagreedReason;
    }
  }
  for (const AttentionKernel* kernel : attention_) {
    QUANTD_CHECK(kernel != nullptr, "every KV type has a reference attention kernel");
  }
}

// A line for an operation other than GEMM. `checked` is the name under which its self-check is
// known, `chosen` whether it is what runs.
KernelStatus KernelSet::PlainStatus(const std::string& checked, Isa isa, bool chosen) const {
  KernelStatus status;
  status.isa = Info(isa).name;
  const auto failure = quarantined_.find(checked);
  status.quarantined = failure != quarantined_.end();
  status.feasible = (isas() & IsaBit(isa)) != 0 && !status.quarantined;
  status.selected = chosen;
  if (chosen) status.chosen_by = "ranked";
  if (status.quarantined) {
    status.reason = failure->second;
  } else if (!status.feasible) {
    status.reason = MissingIsaReason(isa);
  } else if (!chosen) {
    status.reason = "a better kernel runs";
  }
  return status;
}

std::vector<KernelStatus> KernelSet::Report() const {
  std::vector<KernelStatus> report = GemmReport();
  for (const AttentionKernel* kernel : AttentionKernels()) {
    KernelStatus status =
        PlainStatus(kernel->name, kernel->isa, kernel == &attention(kernel->type));
    status.op = "attention";
    status.kernel = kernel->name;
    status.format = KvTypeName(kernel->type);
    status.native = kernel->type == KvType::kF32;
    status.how = Info(kernel->type).how;
    report.push_back(status);
  }
  for (const OpTable* table : OpTables()) {
    for (const std::string& op : OpNames()) {
      KernelStatus status = PlainStatus(table->name, table->isa, table == ops_);
      status.op = op;
      status.kernel = OpKernelName(op, table->isa);
      status.format = "F32";
      status.native = true;
      status.how = "float arithmetic";
      report.push_back(status);
    }
  }
  return report;
}

std::vector<KernelCounters> KernelSet::Counters() const {
  std::vector<KernelCounters> result = GemmCounters();
  const auto add = [&](const char* op, const char* name) {
    KernelCounters counters;
    counters.op = op;
    counters.kernel = name;
    counters.selfcheck_failures = quarantined_.count(name);
    counters.quarantined = counters.selfcheck_failures > 0;
    result.push_back(counters);
  };
  for (const AttentionKernel* kernel : AttentionKernels()) add("attention", kernel->name);
  for (const OpTable* table : OpTables()) add("ops", table->name);
  return result;
}

}  // namespace quantd
