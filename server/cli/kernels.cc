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
#include "server/cli/kernels_measure.h"
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
  bool measure = false;
  std::string format;  ///< "" = all
  MeasureOptions measured;
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

std::vector<KernelRow> Rows(const KernelSet& kernels, const KernelsOptions& options) {
  std::vector<KernelRow> rows;
  for (KernelStatus& status : kernels.Report()) {
    if (options.chosen && !status.selected) continue;
    if (!options.format.empty() && status.format != options.format) continue;
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
                    {"chosen_by", status.chosen_by},
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
  RuntimeFlags flags = options.runtime;
  if (!options.measure) flags.threads = 1;  // a report computes nothing in parallel
  const auto runtime = OpenRuntime(flags);
  if (!runtime.ok()) return Fail(kCommand, runtime.status());
  if (options.measure) {
    const absl::Status measured =
        MeasureKernels(**runtime, options.format, options.measured, options.json);
    return measured.ok() ? kExitOk : Fail(kCommand, measured);
  }
  const Hardware& hardware = (*runtime)->hardware();
  const std::vector<KernelRow> rows = Rows((*runtime)->kernels(), options);
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
  CLI::App* command =
      app.add_subcommand("kernels", "This machine, and the kernel it runs for each weight format");
  command->add_flag("--chosen", options->chosen, "Only the kernels that are used here");
  command->add_flag("--json", options->json,
                    "One JSON object {hardware, kernels: [{op, format, kernel, ...}]}");
  command->add_flag("--measure", options->measure,
                    "Time every kernel of matrix products, against this machine's limits");
  command->add_option("--format", options->format, "Only this weight format, e.g. Q4_0")
      ->type_name("F")
      ->check(CLI::IsMember(FormatNames()));
  AddMeasureFlags(command, &options->measured);
  AddThreadFlag(command, &options->runtime);
  AddKernelFlags(command, &options->runtime);
  command->footer(
      "Every kernel of this build is listed with what it is used for here: 'decode' multiplies "
      "one\n"
      "row (a single stream), 'batch' many rows (prompts, concurrent streams). Kernels that were\n"
      "chosen have agreed with the scalar reference a moment ago; one that does not is "
      "quarantined.\n"
      "--measure times all that can run, on weights that lie in memory as in a model: bytes of\n"
      "weights per second beside the bandwidth at which memory can be read, operations beside the\n"
      "most that the processor does on int8 (or on floats, for kernels that multiply floats), "
      "both\n"
      "measured in the same run; and the naive path, which turns weights into floats and "
      "multiplies\n"
      "those. All formats take about a minute.\n"
      "\n"
      "Examples:\n"
      "  quantd kernels --chosen\n"
      "  quantd kernels --force-isa avx2\n"
      "  quantd kernels --measure --format Q4_0\n"
      "  quantd kernels --json | jq '.kernels[] | select(.decode)'");
  command->callback([=] { *run = [options] { return Kernels(*options); }; });
}

}  // namespace quantd
