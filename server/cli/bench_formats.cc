#include "server/cli/bench_formats.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/base/status_macros.h"
#include "kernels/measure/machine_limits.h"
#include "server/cli/bench_harness.h"
#include "server/cli/commands.h"
#include "server/cli/format_rows.h"
#include "server/cli/hardware_report.h"
#include "server/cli/interrupt.h"
#include "server/cli/output.h"
#include "server/cli/svg_chart.h"
#include "server/cli/table.h"

namespace quantd {
namespace {

constexpr char kCommand[] = "quantd bench --formats";

/// Everything that is reported.
struct Comparison {
  ModelConfig config;
  int threads = 1;
  double read_bandwidth = 0;  ///< bytes per second
  std::vector<FormatRow> rows;
  size_t base = 0;  ///< index of the row that the others are compared with

  const char* base_name() const { return rows[base].format.name.c_str(); }
  /// Tokens per second as a multiple of the base's optimized kernel.
  double Relative(double tokens_per_second, size_t workload) const {
    return tokens_per_second / rows[base].speed->workloads[workload].tokens_per_second;
  }
};

/// The row of F16, else of F32, else the first that was measured. Errors: the first row's reason
/// when none was.
absl::StatusOr<size_t> ChooseBase(const std::vector<FormatRow>& rows) {
  for (const QuantFormat& wanted : {kF16, kF32}) {
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].format.format == wanted && rows[i].speed) return i;
    }
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].speed) return i;
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "no format could be measured: ", rows.front().format.name, ": ", rows.front().reason));
}

absl::StatusOr<Comparison> Measure(const FormatBenchOptions& options,
                                   const RuntimeContext& runtime) {
  Comparison comparison;
  QUANTD_ASSIGN_OR_RETURN(comparison.config, ChooseShape(options.shape));
  QUANTD_ASSIGN_OR_RETURN(const std::vector<ComparedFormat> formats,
                          ChooseFormats(options.only, "--only"));
  comparison.threads = runtime.pool().size();
  comparison.read_bandwidth = MeasureReadBandwidth(runtime.hardware(), runtime.pool());
  FormatSpeedOptions speed;
  speed.layers = options.layers;
  speed.reps = options.reps;
  speed.naive = true;
  QUANTD_ASSIGN_OR_RETURN(
      comparison.rows,
      MeasureFormats(comparison.config, formats, speed, runtime,
                     absl::StrCat("measuring ", options.shape), options.runtime.quiet));
  QUANTD_ASSIGN_OR_RETURN(comparison.base, ChooseBase(comparison.rows));
  return comparison;
}

Json RowJson(const Comparison& comparison, const FormatRow& row) {
  Json json = {{"format", row.format.name}};
  if (!row.speed) {
    json["skipped"] = row.reason;
    return json;
  }
  json["weight_bytes"] = row.speed->weight_bytes;
  Json workloads = Json::object();
  for (size_t i = 0; i < Workloads().size(); ++i) {
    const WorkloadSpeed& speed = row.speed->workloads[i];
    workloads[Workloads()[i].name] = {
        {"tokens_per_second", speed.tokens_per_second},
        {"relative", comparison.Relative(speed.tokens_per_second, i)},
        {"naive_tokens_per_second", speed.naive_tokens_per_second},
        {"naive_relative", comparison.Relative(speed.naive_tokens_per_second, i)},
        {"kernel", speed.kernel.name},
        {"isa", speed.kernel.isa},
        {"native", speed.kernel.native},
        {"how", speed.kernel.how}};
  }
  json["workloads"] = std::move(workloads);
  return json;
}

Json ComparisonJson(const Comparison& comparison, const Hardware& hardware, int32_t reps) {
  Json host = HardwareJson(hardware);
  host["threads"] = comparison.threads;
  host["read_gb_per_second"] = comparison.read_bandwidth / 1e9;
  Json workloads = Json::array(), formats = Json::array();
  for (const Workload& workload : Workloads()) {
    workloads.push_back({{"name", workload.name},
                         {"title", workload.title},
                         {"rows", workload.rows},
                         {"logit_rows", workload.logit_rows}});
  }
  for (const FormatRow& row : comparison.rows) formats.push_back(RowJson(comparison, row));
  return {{"host", std::move(host)},
          {"shape", ShapeJson(comparison.config)},
          {"reps", reps},
          {"relative_to", comparison.base_name()},
          {"workloads", std::move(workloads)},
          {"formats", std::move(formats)}};
}

/// One table: tokens per second and, in parentheses, as a multiple of the base.
std::string SpeedTable(const Comparison& comparison, double WorkloadSpeed::*figure) {
  constexpr auto kRight = Table::Align::kRight;
  std::vector<Table::Column> columns = {{"FORMAT"}, {"WEIGHTS", kRight}};
  for (const Workload& workload : Workloads()) {
    columns.push_back({ColumnTitle(workload), kRight});
  }
  columns.push_back({"KERNELS"});
  Table table(std::move(columns));
  for (const FormatRow& row : comparison.rows) {
    if (!row.speed) {
      table.AddRow({row.format.name, "-", "-", "-", "-", "-", row.reason});
      continue;
    }
    std::vector<std::string> cells = {row.format.name,
                                      FormatBytes(static_cast<uint64_t>(row.speed->weight_bytes))};
    for (size_t i = 0; i < Workloads().size(); ++i) {
      const double rate = row.speed->workloads[i].*figure;
      cells.push_back(
          absl::StrFormat("%s (%.2f)", FormatNumber(rate), comparison.Relative(rate, i)));
    }
    const bool naive = figure == &WorkloadSpeed::naive_tokens_per_second;
    cells.push_back(naive ? "float" : NativeText(*row.speed));
    table.AddRow(std::move(cells));
  }
  return table.Render(TerminalWidth(stdout));
}

void PrintTables(const Comparison& comparison, const Hardware& hardware) {
  Print(
      absl::StrFormat("Shape %s, %s, %d threads, memory read at %s GB/s\n"
                      "Tokens per second of the matrix products, and as a multiple of %s\n\n",
                      comparison.config.name, EscapeText(hardware.cpu_name), comparison.threads,
                      FormatNumber(comparison.read_bandwidth / 1e9), comparison.base_name()));
  Print(SpeedTable(comparison, &WorkloadSpeed::tokens_per_second));
  Print(
      "\nThe same weights by the naive path: dequantized to floats, then multiplied as floats\n\n");
  Print(SpeedTable(comparison, &WorkloadSpeed::naive_tokens_per_second));
}

/// Colours of the chart.
enum Series : size_t { kNative, kEmulated, kNaive };

BarChart::Bar ChartBar(const Comparison& comparison, double rate, size_t workload, size_t series,
                       absl::string_view what) {
  const double relative = comparison.Relative(rate, workload);
  return {series, relative, absl::StrFormat("%.2f", relative),
          absl::StrCat(what, ": ", FormatNumber(rate), " tokens/s")};
}

BarChart Chart(const Comparison& comparison, const Hardware& hardware) {
  BarChart chart;
  chart.title = "Where low precision pays";
  chart.subtitle = {absl::StrFormat(
      "%s, %d threads, memory read at %s GB/s; matrix products of shape %s", hardware.cpu_name,
      comparison.threads, FormatNumber(comparison.read_bandwidth / 1e9), comparison.config.name)};
  chart.axis = absl::StrCat("tokens per second, ", comparison.base_name(), " = 1");
  chart.reference = 1;
  chart.series = {{"optimized kernel, native"},
                  {"optimized kernel, emulated"},
                  {"naive: dequantized to floats, then multiplied"}};
  for (size_t i = 0; i < Workloads().size(); ++i) {
    BarChart::Panel panel{Workloads()[i].title, {}};
    for (const FormatRow& row : comparison.rows) {
      if (!row.speed) continue;
      const WorkloadSpeed& speed = row.speed->workloads[i];
      panel.groups.push_back(
          {row.format.name,
           {ChartBar(comparison, speed.tokens_per_second, i,
                     speed.kernel.native ? kNative : kEmulated, speed.kernel.name),
            ChartBar(comparison, speed.naive_tokens_per_second, i, kNaive, "naive")}});
    }
    chart.panels.push_back(std::move(panel));
  }
  return chart;
}

absl::Status WriteFile(const std::string& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary);
  out << content;
  out.close();
  if (out) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(path, ": cannot be written: ", std::strerror(errno)));
}

absl::Status Report(const FormatBenchOptions& options, const Comparison& comparison,
                    const Hardware& hardware) {
  const Json json = ComparisonJson(comparison, hardware, options.reps);
  if (options.json) {
    PrintJson(json);
  } else {
    PrintTables(comparison, hardware);
  }
  if (!options.json_path.empty()) {
    QUANTD_RETURN_IF_ERROR(WriteFile(options.json_path, DumpJson(json) + "\n"));
  }
  if (options.svg_path.empty()) return absl::OkStatus();
  return WriteFile(options.svg_path, RenderSvg(Chart(comparison, hardware)));
}

}  // namespace

int BenchFormats(const FormatBenchOptions& options) {
  InterruptScope interrupts;
  const auto runtime = OpenRuntime(options.runtime);
  if (!runtime.ok()) return Fail(kCommand, runtime.status());
  const auto comparison = Measure(options, **runtime);
  if (!comparison.ok()) return Fail(kCommand, comparison.status());
  const absl::Status reported = Report(options, *comparison, (*runtime)->hardware());
  return reported.ok() ? kExitOk : Fail(kCommand, reported);
}

}  // namespace quantd
