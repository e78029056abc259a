#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/cli/commands.h"
#include "server/cli/hardware_report.h"
#include "server/cli/json_output.h"
#include "server/cli/local_runtime.h"
#include "server/cli/output.h"
#include "server/cli/table.h"

namespace quantd {
namespace {

constexpr char kCommand[] = "quantd kernels";
/// Input rows that stand for a batch, as in the model report.
constexpr int64_t kBatchRows = 32;

struct KernelsOptions {
  bool json = false;
  bool chosen = false;
  RuntimeFlags runtime;
};

/// A row of the report with the question people ask of it: is this the one?
struct KernelRow {
  KernelStatus status;
  bool decode = false;  ///< runs at m = 1
  bool batch = false;   ///< runs at m = 32
};

bool Chosen(const KernelSet& kernels, const KernelStatus& status, int64_t m) {
  if (status.op != "gemm") return status.selected;
  const NamedFormat* format = FindFormat(status.format);
  if (format == nullptr || !status.selected) return false;
  const GemmKernel* kernel = kernels.SelectGemm(format->format, WeightLayout::kRows32, m);
  return Describe(*kernel).name == status.kernel;
}

std::vector<KernelRow> Rows(const KernelSet& kernels, bool chosen_only) {
  std::vector<KernelRow> rows;
  for (KernelStatus& status : kernels.Report()) {
    if (chosen_only && !status.selected) continue;
    const bool decode = Chosen(kernels, status, 1);
    const bool batch = Chosen(kernels, status, kBatchRows);
    rows.push_back({std::move(status), decode, batch});
  }
  return rows;
}

void PrintRowsJson(const Hardware& hardware, const std::vector<KernelRow>& rows) {
  Json list = Json::array();
  for (const KernelRow& row : rows) {
    const KernelStatus& status = row.status;
    list.push_back({{"op", status.op},
                    {"format", status.format},
                    {"kernel", status.kernel},
                    {"isa", status.isa},
                    {"min_m", status.min_m},
                    {"max_m", status.max_m},
                    {"native", status.native},
                    {"how", status.how},
                    {"feasible", status.feasible},
                    {"quarantined", status.quarantined},
                    {"selected", status.selected},
                    {"decode", row.decode},
                    {"batch", row.batch},
                    {"reason", status.reason}});
  }
  PrintJson({{"hardware", HardwareJson(hardware)}, {"kernels", list}});
}

std::string Use(const KernelRow& row) {
  if (row.status.quarantined) return "quarantined";
  if (!row.status.feasible) return "cannot run";
  if (row.decode && row.batch) return row.status.op == "gemm" ? "decode, batch" : "chosen";
  if (row.decode) return "decode";
  if (row.batch) return "batch";
  return row.status.selected ? "some sizes" : "-";
}

void PrintRows(const std::vector<KernelRow>& rows, bool gemm) {
  Table table({{"FORMAT"}, {"KERNEL"}, {"ISA"}, {"TYPE"}, {"USED FOR"}, {"HOW, OR WHY NOT"}});
  for (const KernelRow& row : rows) {
    const KernelStatus& status = row.status;
    if ((status.op == "gemm") != gemm) continue;
    table.AddRow({status.format, status.kernel, status.isa, status.native ? "native" : "emulated",
                  Use(row), status.reason.empty() ? status.how : status.reason});
  }
  if (!table.empty()) Print(table.Render(TerminalWidth(stdout)));
}

int Kernels(const KernelsOptions& options) {
  const auto runtime = OpenRuntime(options.runtime);
  if (!runtime.ok()) return Fail(kCommand, runtime.status());
  const Hardware& hardware = (*runtime)->hardware();
  const std::vector<KernelRow> rows = Rows((*runtime)->kernels(), options.chosen);
  if (options.json) {
    PrintRowsJson(hardware, rows);
    return kExitOk;
  }
  Print(HardwareText(hardware));
  Print(
      "\nMatrix products: weight format x kernel (native: the processor multiplies this type "
      "itself)\n");
  PrintRows(rows, /*gemm=*/true);
  Print("\nAttention and other operations\n");
  PrintRows(rows, /*gemm=*/false);
  return kExitOk;
}

}  // namespace

void AddKernels(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<KernelsOptions>();
  // A report computes nothing in parallel.
  options->runtime.threads = 1;
  CLI::App* command =
      app.add_subcommand("kernels", "This machine, and the kernel it runs for each weight format");
  command->add_flag("--chosen", options->chosen, "Only the kernels that are used here");
  command->add_flag("--json", options->json,
                    "One JSON object {hardware, kernels: [{op, format, kernel, ...}]}");
  AddKernelFlags(command, &options->runtime);
  command->footer(
      "Every kernel of this build is listed with what it is used for here: 'decode' multiplies "
      "one\n"
      "row (a single stream), 'batch' many rows (prompts, concurrent streams). Kernels that were\n"
      "chosen have agreed with the scalar reference a moment ago; one that does not is "
      "quarantined.\n"
      "\n"
      "Examples:\n"
      "  quantd kernels --chosen\n"
      "  quantd kernels --force-isa avx2\n"
      "  quantd kernels --json | jq '.kernels[] | select(.decode)'");
  command->callback([=] { *run = [options] { return Kernels(*options); }; });
}

}  // namespace quantd
